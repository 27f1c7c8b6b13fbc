#include "glue/usage.hpp"

#include <cmath>
#include <string>

#include <glog/logging.h>

#include <stout/option.hpp>
#include <stout/try.hpp>

namespace estimatord {
namespace {

using mesos::Resource;
using mesos::Resources;
using mesos::ResourceUsage;

// Newer compilers of mesos.proto mark the deprecated fields as such; looking
// whether they are unset is the point here.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

// Whether a resource is nothing but an unreserved revocable scalar: what an
// estimate may hold.
bool isPlainRevocable(const Resource& resource) {
  return resource.has_revocable() && !resource.has_role() &&
         !resource.has_reservation() && resource.reservations_size() == 0 &&
         !resource.has_disk() && !resource.has_shared() &&
         !resource.has_allocation_info() && !resource.has_provider_id() &&
         resource.type() == mesos::Value::SCALAR &&
         Resources::validate(resource).isNone();
}

#pragma GCC diagnostic pop

// What a list of resources comes to, rounded as Mesos does
// (src/common/values.cpp:56 of 1.12).
template <typename List>
Holding holdingOf(const List& resources) {
  Holding holding;
  for (const Resource& resource : resources) {
    if (resource.has_scalar()) {
      Amounts& amounts =
          resource.has_revocable() ? holding.revocable : holding.regular;
      amounts[resource.name()] +=
          std::llround(resource.scalar().value() * 1000);
    }
  }
  return holding;
}

}  // namespace

Amounts allocatedRevocable(const ResourceUsage& usage) {
  Amounts amounts;
  for (const ResourceUsage::Executor& executor : usage.executors()) {
    for (const auto& each : holdingOf(executor.allocated()).revocable) {
      amounts[each.first] += each.second;
    }
  }
  return amounts;
}

Guard guardOf(const ResourceUsage& usage) {
  Guard guard;
  for (const ResourceUsage::Executor& each : usage.executors()) {
    Executor executor;
    executor.framework = each.executor_info().framework_id().value();
    executor.id = each.executor_info().executor_id().value();
    executor.container = each.container_id().value();
    executor.allocated = holdingOf(each.allocated());
    executor.own = holdingOf(each.executor_info().resources()).regular;
    for (const ResourceUsage::Executor::Task& task : each.tasks()) {
      executor.tasks.push_back(holdingOf(task.resources()));
    }
    guard.executor(executor);
  }
  return guard;
}

Kill killOf(const mesos::slave::QoSCorrection& correction) {
  Kill kill;
  kill.framework = correction.kill().framework_id().value();
  kill.executor = correction.kill().executor_id().value();
  kill.container = correction.kill().container_id().value();
  kill.nested = correction.kill().container_id().has_parent();
  return kill;
}

Resources revocableResources(const Amounts& amounts) {
  Resources result;
  for (const auto& each : amounts) {
    const Try<Resources> parsed =
        Resources::parse(each.first + ':' + formatAmount(each.second));
    if (parsed.isError()) {
      LOG(WARNING) << "estimatord: the agent does not take " << each.first
                   << ":" << formatAmount(each.second) << ": "
                   << parsed.error();
      continue;
    }
    for (const Resource& one : parsed.get()) {
      Resource resource = one;
      resource.mutable_revocable();
      if (isPlainRevocable(resource)) {
        result += resource;
      } else {
        LOG(WARNING) << "estimatord: not a plain revocable resource: "
                     << resource.ShortDebugString();
      }
    }
  }
  return result;
}

}  // namespace estimatord
