#include "schema/json_plan.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "schema/text_words.hpp"

namespace ringkernel::schema {
namespace {

bool needs_escape(char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; }

KeyPattern pattern_of(std::string_view key) {
  KeyPattern pattern;
  const auto plain = [](char c) {
    return !needs_escape(c) && static_cast<unsigned char>(c) < 0x80;
  };
  if (!std::all_of(key.begin(), key.end(), plain)) return pattern;
  pattern.text = '"' + std::string(key) + "\":";
  pattern.size = pattern.text.size();
  std::string padded = pattern.text;
  padded.resize(std::max(padded.size(), sizeof pattern.words));
  const auto mask = [&](size_t from) {
    const size_t n = std::min<size_t>(pattern.size - std::min(pattern.size, from), 8);
    return n == 0 ? 0 : ~uint64_t{0} >> (64 - 8 * n);
  };
  pattern.words[0] = load_word(padded.data());
  pattern.words[1] = load_word(padded.data() + 8);
  pattern.masks[0] = mask(0);
  pattern.masks[1] = mask(8);
  return pattern;
}

template <class T>
void set_limit(ValuePlan& plan) {
  plan.is_signed = std::numeric_limits<T>::is_signed;
  plan.most = static_cast<uint64_t>(std::numeric_limits<T>::max());
}

void set_limit(Scalar scalar, ValuePlan& plan) {
  switch (scalar) {
    case Scalar::U8:
      return set_limit<uint8_t>(plan);
    case Scalar::U16:
      return set_limit<uint16_t>(plan);
    case Scalar::U32:
      return set_limit<uint32_t>(plan);
    case Scalar::U64:
      return set_limit<uint64_t>(plan);
    case Scalar::I8:
      return set_limit<int8_t>(plan);
    case Scalar::I16:
      return set_limit<int16_t>(plan);
    case Scalar::I32:
      return set_limit<int32_t>(plan);
    case Scalar::I64:
      return set_limit<int64_t>(plan);
    case Scalar::Bool:
    case Scalar::F32:
    case Scalar::F64:
      return;
  }
}

std::shared_ptr<MessagePlan> plan_of(const MessageType& type);

ValuePlan plan_of(const Type& type) {
  ValuePlan plan;
  plan.type = &type;
  if (type.kind == Type::Kind::Scalar) set_limit(type.scalar, plan);
  if (type.element != nullptr) plan.element = std::make_unique<ValuePlan>(plan_of(*type.element));
  if (type.message != nullptr) plan.message = plan_of(*type.message);
  for (size_t i = 0; i < type.names.size(); ++i)
    plan.names[type.names[i]] = static_cast<uint16_t>(i);
  return plan;
}

std::shared_ptr<MessagePlan> plan_of(const MessageType& type) {
  auto plan = std::make_shared<MessagePlan>();
  plan->type = &type;
  plan->blank.resize(type.size);
  for (const Field& field : type.fields) {
    FieldPlan f;
    f.key = field.json_name;
    f.pattern = pattern_of(f.key);
    f.offset = field.offset;
    f.has_default = !field.default_value.empty();
    f.required = !field.type.optional && !f.has_default;
    f.value = plan_of(field.type);
    if (f.has_default)
      std::memcpy(plan->blank.data() + field.offset, field.default_value.data(),
                  field.default_value.size());
    const size_t index = plan->fields.size();
    if (index < 64) f.bit = uint64_t{1} << index;
    if (f.required) plan->required |= f.bit;
    if (f.key == "type") plan->has_type_key = true;
    plan->by_key[f.key] = static_cast<uint32_t>(index);
    if (std::any_of(f.key.begin(), f.key.end(), needs_escape)) plan->plain_keys = false;
    plan->fields.push_back(std::move(f));
  }
  for (auto field = plan->fields.rbegin(); field != plan->fields.rend(); ++field)
    field->follower = std::exchange(plan->first, &*field);
  return plan;
}

}  // namespace

LinePlan::LinePlan(std::vector<MessageTypePtr> its_types, bool are_tagged, bool ignore)
    : types(std::move(its_types)), tagged(are_tagged), ignore_unknown(ignore) {
  for (uint32_t i = 0; i < types.size(); ++i) {
    messages.push_back(plan_of(*types[i]));
    by_name[types[i]->name] = i;
  }
}

}  // namespace ringkernel::schema
