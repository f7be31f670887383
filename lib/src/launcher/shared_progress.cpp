#include "launcher/shared_progress.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "launcher/descriptor_io.hpp"

namespace ringkernel::launcher {
namespace {

Error no_memory() {
  return Error{
      ErrorCode::IoError, std::string("no memory that runs can share: ") + strerror(errno), {}};
}

}  // namespace

Result<std::unique_ptr<SharedProgress>> SharedProgress::create(size_t inputs, size_t kernels,
                                                               size_t outputs) {
  std::unique_ptr<SharedProgress> progress(new SharedProgress);
  const size_t size =
      sizeof(Head) + inputs * sizeof(Input) + kernels * sizeof(Kernel) + outputs * sizeof(Output);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return tl::unexpected(no_memory());
  progress->memory_ = memory;
  progress->size_ = size;
  progress->head_ = new (memory) Head;
  progress->inputs_ = new (progress->head_ + 1) Input[inputs];
  progress->outputs_ = new (progress->inputs_ + inputs) Output[outputs];
  progress->kernels_ = new (progress->outputs_ + outputs) Kernel[kernels];
  progress->kernel_count_ = kernels;
  for (size_t i = 0; i < inputs + outputs; ++i) {
    const int file = memfd_create("ringk-rest", MFD_CLOEXEC);
    if (file < 0) return tl::unexpected(no_memory());
    (i < inputs ? progress->input_rests_ : progress->output_rests_).push_back(file);
  }
  return progress;
}

SharedProgress::~SharedProgress() {
  for (const auto* rests : {&input_rests_, &output_rests_})
    for (const int file : *rests) close(file);
  if (memory_ != nullptr) munmap(memory_, size_);
}

void SharedProgress::restart(bool last) {
  head_->restarts.fetch_add(1);
  head_->last.store(last);
  for (size_t i = 0; i < kernel_count_; ++i)
    kernels_[i].restarts.fetch_add(kernels_[i].failures.exchange(0));
}

void SharedProgress::keep(int file, std::string_view bytes) {
  if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0) return;
  write_all(file, bytes);
}

std::string SharedProgress::kept(int file) {
  return lseek(file, 0, SEEK_SET) == 0 ? read_all(file) : "";
}

}  // namespace ringkernel::launcher
