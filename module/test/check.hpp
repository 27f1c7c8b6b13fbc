// The few lines of a test framework that the C++ units need.
#ifndef ESTIMATORD_TEST_CHECK_HPP
#define ESTIMATORD_TEST_CHECK_HPP

#include <iostream>
#include <sstream>
#include <string>

namespace estimatord {
namespace test {

// Failed checks so far.
inline int& failures() {
  static int count = 0;
  return count;
}

inline std::ostream& fail(const char* file, int line) {
  ++failures();
  return std::cerr << file << ':' << line << ": ";
}

template <typename Got, typename Want>
void equal(
    const char* file,
    int line,
    const std::string& what,
    const Got& got,
    const Want& want) {
  if (!(got == want)) {
    fail(file, line) << what << " is " << got << ", want " << want << '\n';
  }
}

}  // namespace test
}  // namespace estimatord

#define CHECK_TRUE(condition)                      \
  do {                                             \
    if (!(condition)) {                            \
      ::estimatord::test::fail(__FILE__, __LINE__) \
          << #condition << " does not hold\n";     \
    }                                              \
  } while (false)

#define CHECK_EQUAL(got, want) \
  ::estimatord::test::equal(__FILE__, __LINE__, #got, (got), (want))

// Like CHECK_EQUAL, in a table test: says which case.
#define CHECK_CASE(name, got, want) \
  ::estimatord::test::equal(        \
      __FILE__, __LINE__, std::string(name) + ": " #got, (got), (want))

#endif  // ESTIMATORD_TEST_CHECK_HPP
