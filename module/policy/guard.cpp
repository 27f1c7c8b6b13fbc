#include "policy/guard.hpp"

#include <algorithm>

namespace estimatord {
namespace {

bool isZero(const Amounts& amounts) {
  return std::all_of(
      amounts.begin(), amounts.end(), [](const Amounts::value_type& each) {
        return each.second == 0;
      });
}

std::int64_t amountOf(const Amounts& amounts, const std::string& kind) {
  const auto at = amounts.find(kind);
  return at == amounts.end() ? 0 : at->second;
}

// An id as a frameworks may have chosen it, fit for a line of the log.
std::string quote(const std::string& id) {
  constexpr std::size_t kShown = 128;
  std::string result = "'";
  for (const char c : id.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    result.push_back(byte < 0x20 || byte == 0x7f ? '?' : c);
  }
  return result + (id.size() > kShown ? "...'" : "'");
}

}  // namespace

std::string notRevocable(const Executor& executor) {
  if (isZero(executor.allocated.revocable)) {
    return "the executor holds no revocable resources";
  }
  for (const Holding& task : executor.tasks) {
    if (isZero(task.revocable)) {
      return "the executor runs a task without revocable resources";
    }
  }
  for (const auto& each : executor.allocated.regular) {
    std::int64_t left = each.second - amountOf(executor.own, each.first);
    for (const Holding& task : executor.tasks) {
      left -= amountOf(task.regular, each.first);
    }
    if (left > 0) {
      return "the executor may have a queued task without revocable resources";
    }
  }
  return "";
}

void Guard::executor(const Executor& executor) {
  executors_[std::make_pair(executor.framework, executor.id)] =
      Entry{executor.container, notRevocable(executor)};
}

std::string Guard::refusal(const Kill& kill) const {
  if (kill.framework.empty() || kill.executor.empty()) {
    return "it does not say which executor";
  }
  // Without it a new executor under an old id could be hit.
  if (kill.container.empty()) {
    return "it does not say which container";
  }
  if (kill.nested) {
    return "it is for a nested container";
  }
  const auto at =
      executors_.find(std::make_pair(kill.framework, kill.executor));
  if (at == executors_.end()) {
    return "the agent has no such executor";
  }
  if (at->second.container != kill.container) {
    return "the executor runs in another container";
  }
  return at->second.notRevocable;
}

std::string describe(const Kill& kill) {
  return "executor " + quote(kill.executor) + " of framework " +
         quote(kill.framework) + " in container " + quote(kill.container);
}

}  // namespace estimatord
