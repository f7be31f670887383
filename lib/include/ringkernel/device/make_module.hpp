// The module of a handler struct: what the backend needs to know, filled in at compile time.
#pragma once

#include "ringkernel/device/step.hpp"

namespace ringkernel {
namespace traits {

template <class H, class... M>
const MessageInfo* accept_infos(Accepts<M...>) {
  static const MessageInfo infos[] = {message_info<M>()..., MessageInfo{}};
  return infos;
}
template <class H, class... M>
const KeySpec* accept_key_specs(Accepts<M...>) {
  if constexpr (is_keyed<H>) {
    static const KeySpec specs[] = {H::Keys::template spec<M>()..., KeySpec{}};
    return specs;
  } else {
    return nullptr;
  }
}
template <auto... P>
const PortInfo* port_infos(Ports<P...>) {
  static const PortInfo infos[] = {
      PortInfo{decltype(P)::name(), message_info<typename decltype(P)::Message>(),
               decltype(P)::kMax}...,
      PortInfo{}};
  return infos;
}

template <auto... B>
const BufferInfo* buffer_infos(Buffers<B...>) {
  static const BufferInfo infos[] = {decltype(B)::info()..., BufferInfo{}};
  return infos;
}

}  // namespace traits

template <class H>
const HandlerModule& module_of() {
  using State = typename traits::StateOf<H>::Type;
  using Params = typename traits::ParamsOf<H>::Type;
  using Accepted = typename traits::AcceptsOf<H>::Type;
  using Emits = typename traits::PortsOf<H>::Type;
  using Owned = typename traits::BuffersOf<H>::Type;
  using Reply = typename traits::ReplyOf<H>::Type;
  static_assert(traits::is_sound<H>());
  static const HandlerModule module = [] {
    HandlerModule m;
    m.accepts = traits::accept_infos<H>(Accepted{});
    m.keys = traits::accept_key_specs<H>(Accepted{});
    m.accept_count = Accepted::kCount;
    m.ports = traits::port_infos(Emits{});
    m.port_count = Emits::kCount;
    m.buffers = traits::buffer_infos(Owned{});
    m.buffer_count = Owned::kCount;
    if constexpr (!is_same_type<Reply, Nothing>) m.reply = message_info<Reply>();
    m.state_size = is_same_type<State, Nothing> ? 0 : static_cast<uint32_t>(sizeof(State));
    m.state_alignment = static_cast<uint32_t>(alignof(State));
    m.params_size = is_same_type<Params, Nothing> ? 0 : static_cast<uint32_t>(sizeof(Params));
    m.params_alignment = static_cast<uint32_t>(alignof(Params));
    m.granularity = traits::granularity_of<H>();
    m.has_start = traits::has_start<H>;
    m.has_stop = traits::has_stop<H>;
    m.has_poll = traits::has_poll<H>;
    if constexpr (requires { H::kDeviceSource; }) {
      m.device_source = H::kDeviceSource;
      m.device_type = H::kDeviceType;
    }
    m.run = &Step<H>::run;
    return m;
  }();
  return module;
}

}  // namespace ringkernel

// What a handler compiled on its own exports; `Handler` is the handler struct.
#define RK_EXPORT_HANDLER(Handler)                                                   \
  extern "C" __attribute__((visibility("default"))) const ringkernel::HandlerModule* \
  rk_handler_module() {                                                              \
    return &ringkernel::module_of<Handler>();                                        \
  }
