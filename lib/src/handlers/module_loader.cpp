#include "handlers/module_loader.hpp"

#include <dlfcn.h>

namespace ringkernel::handlers {
namespace {

bool fits(const MessageInfo& info, const schema::MessageType& type) {
  return info.fingerprint == type.fingerprint && info.size == type.size &&
         info.alignment == type.alignment;
}

bool fits(const HandlerModule& module, const HandlerSpec& spec) {
  if (module.accept_count != spec.accepts.size() || module.port_count != spec.emits.size())
    return false;
  for (size_t i = 0; i < spec.accepts.size(); ++i)
    if (!fits(module.accepts[i], *spec.accepts[i])) return false;
  for (size_t i = 0; i < spec.emits.size(); ++i)
    if (!fits(module.ports[i].message, *spec.emits[i].message) ||
        module.ports[i].max != spec.emits[i].max)
      return false;
  return spec.replies == nullptr ? module.reply.name == nullptr : fits(module.reply, *spec.replies);
}

}  // namespace

Result<const HandlerModule*> load_module(const std::string& artefact, const HandlerSpec& spec) {
  // Never closed: a handler's threads, statics and messages in flight may outlive its kernel.
  void* handle = dlopen(artefact.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return fail(ErrorCode::IoError, why == nullptr ? "cannot be loaded" : why, spec.kernel);
  }
  auto* entry = reinterpret_cast<const HandlerModule* (*)()>(dlsym(handle, "rk_handler_module"));
  if (entry == nullptr)
    return fail(ErrorCode::ValidationError, "the artefact exports no handler", spec.kernel);
  const HandlerModule* module = entry();
  if (module->abi != kModuleAbi || module->block_size != sizeof(Block))
    return fail(ErrorCode::ValidationError,
                "the handler was built with the headers of another version", spec.kernel);
  if (!fits(*module, spec))
    return fail(ErrorCode::ValidationError, "the handler was built for another declaration",
                spec.kernel);
  return module;
}

}  // namespace ringkernel::handlers
