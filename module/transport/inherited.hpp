// Sockets that a forked executor must not inherit.
#ifndef ESTIMATORD_TRANSPORT_INHERITED_HPP
#define ESTIMATORD_TRANSPORT_INHERITED_HPP

#include <vector>

namespace estimatord {

// curl_multi_init makes a pair of sockets for itself, in libcurl 7.88 without
// SOCK_CLOEXEC and without an option for it. This marks what looks like such a
// pair among the descriptors that appear during its life: a nameless Unix
// stream socket that is not close-on-exec yet. Nothing else that another
// thread opens in these microseconds is touched.
class InheritedSocketsClosed {
 public:
  InheritedSocketsClosed();
  ~InheritedSocketsClosed();
  InheritedSocketsClosed(const InheritedSocketsClosed&) = delete;
  InheritedSocketsClosed& operator=(const InheritedSocketsClosed&) = delete;

 private:
  // Sorted.
  std::vector<int> before_;
};

}  // namespace estimatord

#endif  // ESTIMATORD_TRANSPORT_INHERITED_HPP
