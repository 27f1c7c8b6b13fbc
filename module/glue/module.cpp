// What the agent finds in the library: two modules, looked up by the names of
// these two objects.
#include <exception>
#include <memory>
#include <string>

#include <glog/logging.h>

#include <mesos/mesos.hpp>
#include <mesos/module.hpp>
#include <mesos/module/qos_controller.hpp>
#include <mesos/module/resource_estimator.hpp>
#include <mesos/version.hpp>

#include "glue/call.hpp"
#include "glue/controller.hpp"
#include "glue/estimator.hpp"
#include "policy/settings.hpp"
#include "transport/identity.hpp"

#ifndef ESTIMATORD_VERSION
#define ESTIMATORD_VERSION "unknown"
#endif

namespace {

// One literal, so that `strings` finds it.
const char kDescription[] =
    "estimatord module " ESTIMATORD_VERSION " for Mesos " MESOS_VERSION;

// Null, which ends the agent's start, for bad parameters only, with a line in
// the log that says which. A daemon that is not there is not looked for.
template <typename Interface, typename Module>
Interface* create(const char* what, const mesos::Parameters& parameters) {
  std::string error;
  try {
    estimatord::Parameters pairs;
    for (const mesos::Parameter& parameter : parameters.parameter()) {
      pairs.emplace_back(parameter.key(), parameter.value());
    }
    estimatord::Settings settings;
    std::shared_ptr<estimatord::Channel> channel;
    if (estimatord::parseSettings(pairs, &settings, &error)) {
      channel = estimatord::shareChannel(settings.socket, &error);
    }
    if (channel != nullptr) {
      std::unique_ptr<Interface> module(new Module(settings, channel));
      LOG(INFO) << "estimatord: " << what << " created: " << kDescription
                << ", socket " << settings.socket << ", timeout "
                << settings.timeout.count() << "ms, stale_grace "
                << settings.staleGrace.count() << "ms, agent id "
                << estimatord::agentId();
      return module.release();
    }
  } catch (const std::exception& failure) {
    error = failure.what();
  }
  LOG(ERROR) << "estimatord: " << what << " not created: " << error;
  return nullptr;
}

mesos::slave::ResourceEstimator* createEstimator(
    const mesos::Parameters& parameters) {
  return create<mesos::slave::ResourceEstimator, estimatord::Estimator>(
      "resource estimator", parameters);
}

mesos::slave::QoSController* createController(
    const mesos::Parameters& parameters) {
  return create<mesos::slave::QoSController, estimatord::Controller>(
      "QoS controller", parameters);
}

}  // namespace

// No `compatible` function: the agent then asks for its own exact version,
// which is what a library built from its headers needs (manager.cpp:161).
mesos::modules::Module<mesos::slave::ResourceEstimator>
    org_estimatord_ResourceEstimator(
        MESOS_MODULE_API_VERSION,
        MESOS_VERSION,
        "estimatord",
        "https://github.com/estimatord/estimatord",
        kDescription,
        nullptr,
        createEstimator);

mesos::modules::Module<mesos::slave::QoSController>
    org_estimatord_QoSController(
        MESOS_MODULE_API_VERSION,
        MESOS_VERSION,
        "estimatord",
        "https://github.com/estimatord/estimatord",
        kDescription,
        nullptr,
        createController);
