// What a shared libqwen shows; all else is hidden. For C and C++.
#ifndef QWEN_EXPORT_H
#define QWEN_EXPORT_H

// Marks what belongs to the public interface.
#if defined(__GNUC__)
#define QWEN_API __attribute__((visibility("default")))
#else
#define QWEN_API
#endif

#endif
