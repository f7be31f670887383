#include "launcher/handler_specs.hpp"

namespace ringkernel::launcher {

handlers::HandlerSpec handler_spec(const topology::Topology& topology,
                                   const topology::Kernel& kernel) {
  using Kind = handlers::HandlerSpec::Kind;
  handlers::HandlerSpec spec;
  spec.kernel = kernel.name;
  switch (kernel.handler.kind) {
    case topology::Handler::Kind::Source:
      spec.kind = Kind::Source;
      break;
    case topology::Handler::Kind::Code:
      spec.kind = Kind::Code;
      break;
    case topology::Handler::Kind::Builtin:
      spec.kind = Kind::Builtin;
      break;
  }
  spec.source = kernel.handler.source;
  spec.code = kernel.handler.code;
  spec.code_file = kernel.handler.position.file;
  spec.code_line = kernel.handler.code_line;
  spec.builtin = kernel.handler.builtin;
  spec.messages = topology.messages;
  spec.accepts = kernel.accepts;
  for (const topology::Port& port : kernel.emits)
    spec.emits.push_back({port.name, port.message, port.max});
  for (const topology::Buffer& buffer : kernel.buffers)
    spec.buffers.push_back({buffer.name, buffer.type});
  spec.replies = kernel.replies;
  for (const topology::Key& key : kernel.keys) spec.keys.push_back({key.message, key.fields});
  spec.granularity = static_cast<Granularity>(kernel.granularity);
  spec.params = kernel.params;
  for (const topology::Constant& constant : kernel.constants)
    spec.constants.emplace_back(constant.name, constant.value);
  spec.include = kernel.build.include;
  spec.flags = kernel.build.flags;
  spec.fast_math = kernel.build.fast_math;
  return spec;
}

std::vector<handlers::HandlerSpec> handler_specs_for_host(const topology::Topology& topology) {
  std::vector<handlers::HandlerSpec> specs;
  for (const topology::Kernel& kernel : topology.kernels)
    if (kernel.backend != Backend::Cuda) specs.push_back(handler_spec(topology, kernel));
  return specs;
}

std::vector<handlers::HandlerSpec> handler_specs(const topology::Topology& topology) {
  std::vector<handlers::HandlerSpec> specs;
  for (const topology::Kernel& kernel : topology.kernels)
    specs.push_back(handler_spec(topology, kernel));
  return specs;
}

}  // namespace ringkernel::launcher
