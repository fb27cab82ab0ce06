// The symbols that a shared libqwen exports. For C and C++.
#ifndef QWEN_EXPORT_H
#define QWEN_EXPORT_H

// Marks a function or class of the public interface; all other symbols are hidden.
#if defined(__GNUC__)
#define QWEN_API __attribute__((visibility("default")))
#else
#define QWEN_API
#endif

#endif
