#include <algorithm>
#include <functional>
#include <map>

#include "topology/topology.hpp"

namespace ringkernel::topology {
namespace {

using Groups = std::vector<std::vector<std::string>>;

template <class T>
const T* named(const std::vector<T>& things, std::string_view name) {
  for (const T& thing : things)
    if (thing.name == name) return &thing;
  return nullptr;
}

// Strongly connected components of the kernels under `follow`, receivers after their senders.
// Tarjan, "Depth-first search and linear graph algorithms", 1972; with a stack of its own, so that
// a chain of thousands of kernels does not exhaust the thread's.
class Components {
 public:
  Components(const Topology& topology, const std::function<bool(const Wire&)>& follow) {
    for (size_t i = 0; i < topology.kernels.size(); ++i) at_[topology.kernels[i].name] = i;
    next_.resize(topology.kernels.size());
    index_.assign(topology.kernels.size(), kNone);
    low_.resize(topology.kernels.size());
    on_stack_.resize(topology.kernels.size());
    for (const Wire& wire : topology.wires) {
      auto from = at_.find(wire.from);
      auto to = at_.find(wire.to);
      if (from != at_.end() && to != at_.end() && follow(wire))
        next_[from->second].push_back(to->second);
    }
    for (size_t i = 0; i < next_.size(); ++i)
      if (index_[i] == kNone) visit(i, topology);
    std::reverse(groups_.begin(), groups_.end());
  }

  Groups take() { return std::move(groups_); }
  bool loops(const std::vector<std::string>& group) const {
    if (group.size() > 1) return true;
    size_t i = at_.at(group[0]);
    return std::find(next_[i].begin(), next_[i].end(), i) != next_[i].end();
  }

 private:
  static constexpr size_t kNone = ~size_t{0};
  struct Frame {
    size_t node;
    size_t edge = 0;
  };

  void enter(size_t node) {
    index_[node] = low_[node] = count_++;
    stack_.push_back(node);
    on_stack_[node] = true;
    frames_.push_back({node});
  }

  void visit(size_t root, const Topology& topology) {
    enter(root);
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      size_t node = frame.node;
      if (frame.edge < next_[node].size()) {
        size_t to = next_[node][frame.edge++];
        if (index_[to] == kNone)
          enter(to);
        else if (on_stack_[to])
          low_[node] = std::min(low_[node], index_[to]);
        continue;
      }
      frames_.pop_back();
      if (!frames_.empty())
        low_[frames_.back().node] = std::min(low_[frames_.back().node], low_[node]);
      if (low_[node] != index_[node]) continue;
      std::vector<size_t> members;
      for (size_t member = kNone; member != node;) {
        member = stack_.back();
        stack_.pop_back();
        on_stack_[member] = false;
        members.push_back(member);
      }
      std::sort(members.begin(), members.end());
      std::vector<std::string> group;
      for (size_t member : members) group.push_back(topology.kernels[member].name);
      groups_.push_back(std::move(group));
    }
  }

  std::map<std::string, size_t, std::less<>> at_;
  std::vector<std::vector<size_t>> next_;
  std::vector<size_t> index_, low_, stack_;
  std::vector<bool> on_stack_;
  std::vector<Frame> frames_;
  size_t count_ = 0;
  Groups groups_;
};

}  // namespace

const Kernel* Topology::kernel(std::string_view kernel_name) const {
  return named(kernels, kernel_name);
}
const Input* Topology::input(std::string_view input_name) const {
  return named(inputs, input_name);
}
const Output* Topology::output(std::string_view output_name) const {
  return named(outputs, output_name);
}

Groups drain_order(const Topology& topology) {
  return Components(topology, [](const Wire&) { return true; }).take();
}

Groups cycles(const Topology& topology) {
  return cycles(topology, [](const Wire& wire) { return wire.on_full == OnFull::Wait; });
}

Groups cycles(const Topology& topology, const std::function<bool(const Wire&)>& follow) {
  Components components(topology, follow);
  Groups loops;
  for (auto& group : components.take())
    if (components.loops(group)) loops.push_back(std::move(group));
  return loops;
}

}  // namespace ringkernel::topology
