// The document of schema "ringk.status/1", as a running topology gives it, and the ways to show it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "ringkernel/error.hpp"
#include "ringkernel/export.hpp"

namespace ringkernel {

class RK_API StatusDocument {
 public:
  // ProtocolError: no JSON, or of another schema.
  static Result<StatusDocument> parse(std::string json);
  ~StatusDocument();
  StatusDocument(StatusDocument&& other) noexcept;
  StatusDocument& operator=(StatusDocument&& other) noexcept;

  std::string name() const;
  std::string state() const;
  double uptime_s() const;

  // One line, as it was given.
  const std::string& json() const;

  // One kernel and the edges at it. KernelNotFound, with a suggestion.
  Result<StatusDocument> kernel(std::string_view name) const;

  // A line per kernel. The rate is that of messages handled since `previous`, an earlier document
  // of the same run, or since the start. Colours mark failures and kernels that do not run.
  std::string table(const StatusDocument* previous, bool colour) const;

  // The Prometheus text format, version 0.0.4; the names are listed in ringk(1).
  std::string prometheus() const;

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit StatusDocument(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringkernel
