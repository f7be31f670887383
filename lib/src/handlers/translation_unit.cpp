#include "handlers/translation_unit.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "handlers/generate.hpp"

namespace ringkernel::handlers {

Result<TranslationUnit> translation_unit(const HandlerSpec& spec) {
  TranslationUnit unit;
  if (spec.kind == HandlerSpec::Kind::Source) {
    std::error_code code;
    unit.source = std::filesystem::absolute(spec.source, code).lexically_normal().string();
    if (code || access(unit.source.c_str(), R_OK) != 0)
      return fail(ErrorCode::NotFound,
                  "the handler file cannot be read: " + std::string(std::strerror(errno)),
                  spec.source);
  }
  unit.text = generate(spec, unit.source);
  return unit;
}

}  // namespace ringkernel::handlers
