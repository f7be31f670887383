#include "launcher/shared_progress.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace ringkernel::launcher {
namespace {

Error no_memory() {
  return Error{
      ErrorCode::IoError, std::string("no memory that runs can share: ") + strerror(errno), {}};
}

}  // namespace

Result<std::unique_ptr<SharedProgress>> SharedProgress::create(size_t inputs, size_t kernels) {
  std::unique_ptr<SharedProgress> progress(new SharedProgress);
  const size_t size = sizeof(Head) + inputs * sizeof(Input) + kernels * sizeof(Kernel);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return tl::unexpected(no_memory());
  progress->memory_ = memory;
  progress->size_ = size;
  progress->head_ = new (memory) Head;
  progress->inputs_ = new (progress->head_ + 1) Input[inputs];
  progress->kernels_ = new (progress->inputs_ + inputs) Kernel[kernels];
  progress->kernel_count_ = kernels;
  for (size_t i = 0; i < inputs; ++i) {
    const int file = memfd_create("ringk-input-rest", MFD_CLOEXEC);
    if (file < 0) return tl::unexpected(no_memory());
    progress->rests_.push_back(file);
  }
  return progress;
}

SharedProgress::~SharedProgress() {
  for (const int file : rests_) close(file);
  if (memory_ != nullptr) munmap(memory_, size_);
}

void SharedProgress::restart() {
  head_->restarts.fetch_add(1);
  for (size_t i = 0; i < kernel_count_; ++i)
    kernels_[i].restarts.fetch_add(kernels_[i].failures.exchange(0));
}

void SharedProgress::keep_rest(size_t input, std::string_view bytes) {
  const int file = rests_[input];
  if (ftruncate(file, 0) != 0) return;
  for (off_t at = 0; !bytes.empty();) {
    const ssize_t put = pwrite(file, bytes.data(), bytes.size(), at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    at += put;
    bytes.remove_prefix(static_cast<size_t>(put));
  }
}

std::string SharedProgress::rest_of(size_t input) const {
  std::string bytes;
  char part[4096];
  for (;;) {
    const ssize_t got = pread(rests_[input], part, sizeof part, static_cast<off_t>(bytes.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return bytes;
    bytes.append(part, static_cast<size_t>(got));
  }
}

}  // namespace ringkernel::launcher
