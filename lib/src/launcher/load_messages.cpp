#include "launcher/load_messages.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "launcher/channel.hpp"
#include "launcher/message_parser.hpp"
#include "launcher/record_splitter.hpp"
#include "launcher/value_maker.hpp"
#include "schema/json_codec.hpp"

namespace ringkernel::launcher {
namespace {

// Few enough to stay in a cache where they are small, many enough for keys to repeat.
constexpr size_t kLeastMade = 4096;
constexpr size_t kMostBytes = size_t{64} << 20;
constexpr size_t kFileReadSize = size_t{256} << 10;

tl::unexpected<Error> no_message(const Record& record, const schema::LineError& error,
                                 const std::string& where) {
  return fail(ErrorCode::ValidationError, std::string(error.reason) + ": " + error.detail,
              where + ":" + std::to_string(record.number));
}

// False: the end.
Result<bool> fill(Channel& channel, ByteBuffer& buffer, const std::string& file) {
  for (;;) {
    const Transfer moved = channel.read(buffer.room(kFileReadSize));
    switch (moved.status) {
      case Transfer::Status::Moved:
        buffer.filled(moved.bytes);
        return true;
      case Transfer::Status::End:
        return false;
      case Transfer::Status::Failed:
        return fail(ErrorCode::NotFound, std::string("cannot be read: ") + strerror(moved.error),
                    file);
      case Transfer::Status::WouldBlock: {
        pollfd more{channel.descriptor(), POLLIN, 0};
        poll(&more, 1, -1);
      }
    }
  }
}

}  // namespace

Result<LoadMessages> LoadMessages::make(const topology::Topology& topology,
                                        const topology::Input& input, const std::string& file,
                                        uint32_t keys, bool as_lines) {
  LoadMessages messages;
  const Result<void> done = !file.empty() ? messages.read(input, file, as_lines)
                            : !input.values.empty()
                                ? messages.parse(input, input.values, as_lines)
                                : messages.make_up(topology, input, keys, as_lines);
  if (!done) return tl::unexpected(done.error());
  return messages;
}

void LoadMessages::add(uint32_t type, const std::byte* payload, size_t size) {
  auto copy = std::make_unique_for_overwrite<std::byte[]>(size);
  std::memcpy(copy.get(), payload, size);
  messages_.push_back({type, copy.get(), {}});
  bytes_.push_back(std::move(copy));
  taken_ += size;
}

void LoadMessages::add(std::string_view line) {
  const size_t padded = line.size() + schema::JsonReader::kPadding;
  auto copy = std::make_unique<std::byte[]>(padded);
  std::memcpy(copy.get(), line.data(), line.size());
  messages_.push_back({0, nullptr, {reinterpret_cast<const char*>(copy.get()), line.size()}});
  bytes_.push_back(std::move(copy));
  taken_ += padded;
}

Result<void> LoadMessages::read(const topology::Input& input, const std::string& file,
                                bool as_lines) {
  auto channel = file == "-" ? Channel::of(STDIN_FILENO, Channel::Direction::Read)
                             : Channel::open_to_read(file);
  if (!channel) return tl::unexpected(channel.error());
  MessageParser parser(input);
  auto splitter = parser.make_splitter();
  const std::string where = file == "-" ? "standard input" : file;
  Record record;
  for (bool open = true; open || splitter->buffer().size() > 0;) {
    while (open ? splitter->next(record) : splitter->last(true, record)) {
      if (taken_ > kMostBytes) {
        cut_ = true;
        return {};
      }
      const auto message = parser.parse(record, 0);
      if (!message) return no_message(record, message.error(), where);
      if (as_lines && !parser.raw())
        add(record.bytes);
      else
        add(message->type, static_cast<const std::byte*>(message->payload),
            parser.types()[message->type]->size);
    }
    if (!open) break;
    auto more = fill(*channel, splitter->buffer(), where);
    if (!more) return tl::unexpected(more.error());
    open = *more;
  }
  if (!messages_.empty()) return {};
  return fail(ErrorCode::ValidationError, "there is no message in it", where);
}

Result<void> LoadMessages::parse(const topology::Input& input,
                                 const std::vector<std::string>& values, bool as_lines) {
  MessageParser parser(input);
  uint64_t number = 0;
  for (std::string value : values) {
    const size_t size = value.size();
    value.append(schema::JsonReader::kPadding, ' ');
    const Record record{Record::Kind::Whole, std::string_view(value).substr(0, size), ++number};
    const auto message = parser.parse(record, 0);
    if (!message) return no_message(record, message.error(), "input '" + input.name + "'");
    if (as_lines)
      add(record.bytes);
    else
      add(message->type, static_cast<const std::byte*>(message->payload),
          parser.types()[message->type]->size);
  }
  return {};
}

Result<void> LoadMessages::make_up(const topology::Topology& topology, const topology::Input& input,
                                   uint32_t keys, bool as_lines) {
  const MessageParser parser(input);
  const auto& types = parser.types();
  size_t largest = 1;
  for (const auto& type : types) largest = std::max<size_t>(largest, type->size);
  const size_t wanted = std::min(std::max<size_t>(kLeastMade, 4 * size_t{keys}),
                                 std::max<size_t>(keys, kMostBytes / largest));
  if (wanted * largest > 4 * kMostBytes)
    return fail(ErrorCode::MessageTooLarge,
                "a message of " + std::to_string(largest) + " bytes for each of " +
                    std::to_string(keys) + " keys takes too much memory: ask for at most " +
                    std::to_string(4 * kMostBytes / largest),
                "input '" + input.name + "'");
  ValueMaker maker(topology, input, keys);
  schema::JsonWriter writer(types, input.message ? "" : "type");
  const auto payload = std::make_unique<std::byte[]>(largest);
  std::string line;
  for (size_t i = 0; i < wanted; ++i) {
    const auto type = static_cast<uint32_t>(i % types.size());
    maker.make(*types[type], i / types.size(), payload.get());
    if (!as_lines || parser.raw()) {
      add(type, payload.get(), types[type]->size);
      continue;
    }
    line.clear();
    writer.write(type, payload.get(), line);
    add(line);
  }
  return {};
}

}  // namespace ringkernel::launcher
