// The agent's messages in the terms of what is decided without Mesos.
#ifndef ESTIMATORD_GLUE_USAGE_HPP
#define ESTIMATORD_GLUE_USAGE_HPP

#include <mesos/mesos.hpp>
#include <mesos/resources.hpp>
#include <mesos/slave/oversubscription.hpp>

#include "policy/guard.hpp"
#include "policy/offer.hpp"

namespace estimatord {

// What the executors hold as revocable, in thousandths.
Amounts allocatedRevocable(const mesos::ResourceUsage& usage);

// The executors that a kill may or may not be for.
Guard guardOf(const mesos::ResourceUsage& usage);

Kill killOf(const mesos::slave::QoSCorrection& correction);

// The amounts as revocable resources. The agent aborts on a resource in an
// estimate that is not revocable (slave.cpp:8597 of 1.12) and on one with the
// deprecated role set (resources.cpp:1137): neither can come out of this.
mesos::Resources revocableResources(const Amounts& amounts);

}  // namespace estimatord

#endif  // ESTIMATORD_GLUE_USAGE_HPP
