// What the thread sanitiser must not report of qwen-serve, compiled into the program where it is built with
// it.
//
// Debian's libcpp-httplib.so is not instrumented. Server::parse_request_line() keeps the names of all methods
// in a static set, which the first request makes under the compiler's guard. In later requests the library's
// own code reads the guard, so the sanitiser does not see that the set was complete before, and takes a
// lookup (memcmp) for a race with its making (memcpy, operator new). Calls of such functions from that
// library are not looked at; all of our code, also where the library calls it, is.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libcpp-httplib.so\n";
}
