// What the compilers are given of a handler: the text, and where the user's file is.
#pragma once

#include <string>

#include "handlers/handler_spec.hpp"
#include "ringkernel/error.hpp"

namespace ringkernel::handlers {

struct TranslationUnit {
  std::string source;  // as the text includes the handler's file; empty: the code is in the text
  std::string text;
};

// NotFound: the handler's file cannot be read.
Result<TranslationUnit> translation_unit(const HandlerSpec& spec);

}  // namespace ringkernel::handlers
