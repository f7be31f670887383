#include "runtime/buffer_transfer.hpp"

#include <algorithm>
#include <cstring>

namespace ringkernel::runtime {

Result<BufferTransfer::One> BufferTransfer::open_one(const HandlerModule& module,
                                                     const BufferBinding& binding) {
  One one;
  while (one.index < module.buffer_count && module.buffers[one.index].name != binding.name)
    ++one.index;
  if (one.index == module.buffer_count)
    return fail(ErrorCode::InvalidConfig, "the handler has no buffer '" + binding.name + "'");
  const BufferInfo& info = module.buffers[one.index];
  one.type = {info.element, {info.extents, info.extents + info.rank}};
  one.binding = binding;
  for (const size_t bytes : {binding.load.size(), binding.save.size()})
    if (bytes != 0 && bytes != info.bytes)
      return fail(ErrorCode::InvalidConfig, "buffer '" + binding.name + "' has " +
                                                std::to_string(info.bytes) +
                                                " bytes, and is given " + std::to_string(bytes));
  if (binding.load_file.empty()) return one;
  auto file = NpyReader::open(binding.load_file);
  if (!file) return tl::unexpected(file.error());
  if (auto same = file->expect(one.type); !same) return tl::unexpected(same.error());
  one.file = std::move(*file);
  return one;
}

Result<BufferTransfer> BufferTransfer::open(const HandlerModule& module,
                                            const KernelBuffers& buffers,
                                            const std::string& kernel) {
  BufferTransfer transfer;
  transfer.count_ = module.buffer_count;
  for (const BufferBinding& binding : buffers.all()) {
    auto one = open_one(module, binding);
    if (!one) {
      Error error = one.error();
      if (!error.where.empty())
        error.message = "buffer '" + binding.name + "': " + error.where + " " + error.message;
      error.where = kernel;
      return tl::unexpected(std::move(error));
    }
    transfer.bound_.push_back(std::move(*one));
  }
  return transfer;
}

std::vector<backends::FillPart> BufferTransfer::sources() {
  std::vector<backends::FillPart> sources(count_);
  for (One& one : bound_) {
    if (one.file)
      sources[one.index] = [&one](std::span<std::byte> to) { return one.file->read(to); };
    else if (!one.binding.load.empty())
      sources[one.index] = [&one](std::span<std::byte> to) -> Result<void> {
        std::memcpy(to.data(), one.binding.load.data() + one.given, to.size());
        one.given += to.size();
        return {};
      };
  }
  return sources;
}

void BufferTransfer::close_sources() {
  for (One& one : bound_) one.file.reset();
}

bool BufferTransfer::saves() const {
  return std::any_of(bound_.begin(), bound_.end(), [](const One& one) {
    return !one.binding.save_file.empty() || !one.binding.save.empty();
  });
}

Result<void> BufferTransfer::save_one(const One& one, const Read& read) {
  std::optional<NpyWriter> file;
  if (!one.binding.save_file.empty()) {
    auto created = NpyWriter::create(one.binding.save_file, one.type);
    if (!created) return tl::unexpected(created.error());
    file.emplace(std::move(*created));
  } else if (one.binding.save.empty()) {
    return {};
  }
  size_t taken = 0;
  auto done = read(one.index, [&](std::span<const std::byte> part) -> Result<void> {
    if (!one.binding.save.empty())
      std::memcpy(one.binding.save.data() + taken, part.data(), part.size());
    taken += part.size();
    return file ? file->write(part) : Result<void>();
  });
  return done && file ? file->commit() : done;
}

Result<void> BufferTransfer::save(const Read& read) const {
  Result<void> first;
  for (const One& one : bound_) {
    auto done = save_one(one, read);
    if (done || !first) continue;
    Error error = done.error();
    error.message = "buffer '" + one.binding.name +
                    "' is not saved: " + (error.where.empty() ? "" : error.where + " ") +
                    error.message;
    error.where.clear();
    first = tl::unexpected(std::move(error));
  }
  return first;
}

}  // namespace ringkernel::runtime
