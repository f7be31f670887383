// What a handler struct declares, read at compile time. A handler is
//   struct Score {
//     struct State { double spent; };                          // optional
//     struct Params { double limit; };                         // optional
//     using Ports = ringkernel::Ports<port::alert, port::pass>;  // optional
//     using Buffers = ringkernel::Buffers<buf::u>;             // optional
//     using Keys = ringkernel::Keys<&Order::account>;          // optional: State per key
//     using Reply = Quote;                                     // optional
//     using Context = ringkernel::Context<Score>;
//     static void on_message(Context& ctx, State& state, const Order& order);
//     static void on_start(Context&, State&), on_stop(...); static bool on_poll(...);  // optional
//   };
// With several accepted types: `using Accepts = ringkernel::Accepts<Order, Payment>;`.
// Handlers without State take (Context&, const M&).
#pragma once

#include "ringkernel/device/buffer.hpp"

namespace ringkernel {

struct Nothing {};

template <class H>
class Context;

namespace traits {

template <class H>
struct StateOf {
  using Type = Nothing;
};
template <class H>
requires requires { typename H::State; }
struct StateOf<H> {
  using Type = typename H::State;
};

template <class H>
struct ParamsOf {
  using Type = Nothing;
};
template <class H>
requires requires { typename H::Params; }
struct ParamsOf<H> {
  using Type = typename H::Params;
};

template <class H>
struct PortsOf {
  using Type = Ports<>;
};
template <class H>
requires requires { typename H::Ports; }
struct PortsOf<H> {
  using Type = typename H::Ports;
};

template <class H>
struct BuffersOf {
  using Type = Buffers<>;
};
template <class H>
requires requires { typename H::Buffers; }
struct BuffersOf<H> {
  using Type = typename H::Buffers;
};

template <class F>
struct MessageArgument;
template <class C, class S, class M>
struct MessageArgument<void (*)(C&, S&, const M&)> {
  using Type = M;
};
template <class C, class M>
struct MessageArgument<void (*)(C&, const M&)> {
  using Type = M;
};

template <class H>
struct AcceptsOf {
  using Type = Accepts<typename MessageArgument<decltype(&H::on_message)>::Type>;
};
template <class H>
requires requires { typename H::Accepts; }
struct AcceptsOf<H> {
  using Type = typename H::Accepts;
};
template <class H>
requires(
    !requires { typename H::Accepts; } && !requires { &H::on_message; }) struct AcceptsOf<H> {
  using Type = Accepts<>;  // a source: on_poll only
};

// The Context that the handler's functions take: its own, or one it declares.
template <class H>
struct ContextOf {
  using Type = Context<H>;
};
template <class H>
requires requires { typename H::Context; }
struct ContextOf<H> {
  using Type = typename H::Context;
};

template <class H>
struct ReplyOf {
  using Type = Nothing;
};
template <class H>
requires requires { typename H::Reply; }
struct ReplyOf<H> {
  using Type = typename H::Reply;
};

template <class H>
inline constexpr bool is_keyed = requires {
  typename H::Keys;
};

// Which of the functions that it may leave out a handler has.
template <class H, class C = typename ContextOf<H>::Type, class S = typename StateOf<H>::Type>
inline constexpr bool has_start = requires(C& c, S& s) {
  H::on_start(c, s);
}
|| requires(C& c) { H::on_start(c); };
template <class H, class C = typename ContextOf<H>::Type, class S = typename StateOf<H>::Type>
inline constexpr bool has_stop = requires(C& c, S& s) {
  H::on_stop(c, s);
}
|| requires(C& c) { H::on_stop(c); };
template <class H, class C = typename ContextOf<H>::Type, class S = typename StateOf<H>::Type>
inline constexpr bool has_poll = requires(C& c, S& s) {
  H::on_poll(c, s);
}
|| requires(C& c) { H::on_poll(c); };

template <class H>
RK_HD constexpr Granularity granularity_of() {
  if constexpr (requires { H::kGranularity; })
    return H::kGranularity;
  else
    return Granularity::Serial;
}

// What every handler has to keep to; a compiler names what it does not.
template <class H>
RK_HD constexpr bool is_sound() {
  using State = typename StateOf<H>::Type;
  static_assert(__is_trivially_copyable(State), "State must be trivially copyable");
  static_assert(alignof(State) <= 16, "State is aligned to 16 at most");
  static_assert(__is_trivially_copyable(typename ParamsOf<H>::Type));
  static_assert(
      granularity_of<H>() != Granularity::Thread || is_keyed<H> || is_same_type<State, Nothing>,
      "granularity thread: State needs a key");
  return true;
}

// Calls f(Type<M>) with the index-th of the types.
template <class T>
struct Type {};
template <class F, class M>
RK_FAST void with_type(uint32_t, Accepts<M>, F&& f) {
  f(Type<M>{});
}
template <class F, class... M>
RK_HD void with_type(uint32_t index, Accepts<M...>, F&& f) {
  uint32_t i = 0;
  (void)i;
  ((i++ == index ? f(Type<M>{}) : void()), ...);
}
template <class... M>
RK_HD uint32_t size_of_type(uint32_t index, Accepts<M...> types) {
  uint32_t size = 0;
  with_type(index, types, [&]<class T>(Type<T>) { size = static_cast<uint32_t>(sizeof(T)); });
  return size;
}

template <class M>
struct MemberPointer;
template <class M, class T>
struct MemberPointer<T M::*> {
  using Message = M;
  using Value = T;
};

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<Optional<T>> = true;
template <class T>
inline constexpr bool is_sized = false;
template <uint16_t N>
inline constexpr bool is_sized<String<N>> = true;
template <uint16_t N>
inline constexpr bool is_sized<Bytes<N>> = true;
template <class T>
struct Unwrapped {
  using Type = T;
};
template <class T>
struct Unwrapped<Optional<T>> {
  using Type = T;
};

template <auto Member>
RK_HD KeyField key_field() {
  using P = MemberPointer<decltype(Member)>;
  using M = typename P::Message;
  using V = typename Unwrapped<typename P::Value>::Type;
  static_assert(sizeof(V) <= 8 || is_sized<V>, "a key is an integer, an enum, a String or Bytes");
  alignas(M) static const unsigned char zeroed[sizeof(M)] = {};
  const M* message = reinterpret_cast<const M*>(zeroed);
  KeyField field;
  field.offset =
      static_cast<uint32_t>(reinterpret_cast<const unsigned char*>(&(message->*Member)) - zeroed);
  field.size = static_cast<uint32_t>(sizeof(V));
  field.sized = is_sized<V> ? 1 : 0;
  field.optional = is_optional<typename P::Value> ? 1 : 0;
  return field;
}

}  // namespace traits

// The key fields of one message type.
template <auto... Members>
struct KeyOf {
  template <class M>
  static constexpr bool is_for =
      (... && is_same_type<typename traits::MemberPointer<decltype(Members)>::Message, M>);

  RK_HD static KeySpec spec() {
    static_assert(sizeof...(Members) <= kMaxKeyFields);
    KeySpec spec;
    ((spec.fields[spec.field_count++] = traits::key_field<Members>()), ...);
    for (uint32_t i = 0; i < spec.field_count; ++i)
      spec.size += spec.fields[i].size + spec.fields[i].optional;
    return spec;
  }
};

// One KeyOf per keyed type; with one field each, the members themselves will do.
template <auto... Members>
struct Keys {
  template <class M>
  RK_HD static KeySpec spec() {
    KeySpec spec;
    (take<KeyOf<Members>, M>(spec), ...);
    return spec;
  }

 private:
  template <class K, class M>
  RK_HD static void take(KeySpec& spec) {
    if constexpr (K::template is_for<M>) spec = K::spec();
  }
};
template <class... K>
struct CompoundKeys {
  template <class M>
  RK_HD static KeySpec spec() {
    KeySpec spec;
    (take<K, M>(spec), ...);
    return spec;
  }

 private:
  template <class T, class M>
  RK_HD static void take(KeySpec& spec) {
    if constexpr (T::template is_for<M>) spec = T::spec();
  }
};

}  // namespace ringkernel
