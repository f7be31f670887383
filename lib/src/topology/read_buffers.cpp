// The buffers of a kernel, and whether the files that they are loaded from fit.
#include "core/npy.hpp"
#include "schema/array_text.hpp"
#include "topology/reader.hpp"

namespace ringkernel::topology {
namespace {

bool read_type(Reader& reader, const Value& value, const Kernel& kernel, Buffer& buffer) {
  if (!value.is_scalar()) {
    reader.error(value.position,
                 "the type of a buffer is text, such as \"f32[1024,1024]\", not " +
                     std::string(name_of(value.kind)),
                 "wrong-type");
    return false;
  }
  std::vector<std::pair<std::string, int64_t>> constants;
  for (const Constant& constant : kernel.constants)
    constants.emplace_back(constant.name, constant.value);
  auto type = schema::parse_array_type(value.text, constants);
  if (type) {
    buffer.type = std::move(*type);
    return true;
  }
  Position place = value.position;
  if (place.line > 0) {
    place.column +=
        static_cast<uint32_t>(type.error().offset) + (value.style == Value::Style::Quoted ? 1 : 0);
    place.length = 1;
  }
  reader.error(place, type.error().message, type.error().code, type.error().suggestion);
  return false;
}

// One that is not there yet may be by the time of the launch.
void check_load(Reader& reader, const Position& position, const Buffer& buffer) {
  const auto file = NpyReader::open(buffer.load);
  const std::string what = "buffers." + buffer.name + ": " + buffer.load + " ";
  if (!file && file.error().code != ErrorCode::NotFound)
    reader.error(position, what + file.error().message, "bad-npy");
  if (file && file->type() != buffer.type)
    reader.error(position,
                 what + "holds " + numpy_text(file->type()) + ", the topology says " +
                     to_string(buffer.type),
                 "npy-mismatch");
}

std::string read_path(Reader& reader, const Value& value, const char* key, Position& position) {
  const auto path = reader.text(value, key);
  if (!path) return "";
  position = value.find(key)->position;
  if (path->empty()) {
    reader.error(position, "'" + std::string(key) + "' needs the name of a file", "bad-value");
    return "";
  }
  return reader.resolve(*path, position);
}

void read_buffer(Reader& reader, const Value::Key& key, const Value& value, Kernel& kernel) {
  Buffer buffer;
  buffer.name = key.text;
  if (!schema::is_identifier(key.text) || schema::is_reserved_name(key.text)) {
    reader.error(key.position, "'" + key.text + "' cannot name a buffer: it becomes a C++ name",
                 schema::is_identifier(key.text) ? "name-reserved" : "bad-name");
    return;
  }
  const Value* type = &value;
  Position load_position;
  if (value.is_map()) {
    if (!reader.check_keys(value, Section::Buffer, "buffer '" + key.text + "'")) return;
    type = value.find("type");
    buffer.load = read_path(reader, value, "load", load_position);
    buffer.save = read_path(reader, value, "save", buffer.save_position);
    if (type == nullptr) return;
  }
  if (!read_type(reader, *type, kernel, buffer)) return;
  if (!buffer.load.empty()) check_load(reader, load_position, buffer);
  kernel.buffers.push_back(std::move(buffer));
}

}  // namespace

void read_buffers(Reader& reader, const Value& value, Kernel& kernel) {
  const Value* buffers = value.find("buffers");
  if (buffers == nullptr || buffers->is_null()) return;
  if (!buffers->is_map()) {
    reader.error(buffers->position, "'buffers' is a map: name to type, or {type, load, save}",
                 "wrong-type");
    return;
  }
  for (const auto& [key, buffer] : buffers->members) read_buffer(reader, key, buffer, kernel);
}

}  // namespace ringkernel::topology
