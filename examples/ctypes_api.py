#!/usr/bin/env python3
"""The C interface from Python, with ctypes and a shared libqwen:

    examples/ctypes_api.py PATH/libqwen.so [MODEL]
"""
import ctypes
import sys
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_double, c_float, c_int32, c_size_t, c_uint64, c_void_p


class Error(Structure):
    _fields_ = [("code", c_int32), ("message", c_char * 508)]


class Sampling(Structure):
    _fields_ = [("struct_size", c_size_t), ("temperature", c_float), ("top_k", c_int32), ("top_p", c_float),
                ("min_p", c_float), ("repetition_penalty", c_float), ("presence_penalty", c_float),
                ("frequency_penalty", c_float), ("penalty_last_n", c_int32), ("use_seed", c_int32), ("seed", c_uint64),
                ("logit_bias", c_void_p), ("logit_bias_count", c_size_t)]


class ChatOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("context", c_int32), ("kv_type", c_int32), ("history_turns", c_int32),
                ("history_tokens", c_int32), ("max_new_tokens", c_int32), ("sampling", POINTER(Sampling)),
                ("system", c_char_p)]


OnText = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(c_char), c_size_t)


class SayOptions(Structure):
    _fields_ = [("struct_size", c_size_t), ("cancel", c_void_p), ("use_seed", c_int32), ("seed", c_uint64),
                ("stop", POINTER(c_char_p)), ("stop_count", c_size_t), ("on_text", OnText), ("user", c_void_p)]


class Classification(Structure):
    _fields_ = [("struct_size", c_size_t), ("label", c_int32), ("abstained", c_int32), ("probability", c_double),
                ("margin", c_double), ("prompt_tokens", c_int32), ("cached_tokens", c_int32),
                ("truncated_tokens", c_int32), ("seconds", c_double)]


class Label(Structure):
    _fields_ = [("struct_size", c_size_t), ("text", c_char_p), ("display", c_char_p), ("emoji", c_char_p)]


def sized(kind):
    """A struct that says its own size; all else is zero."""
    return kind(ctypes.sizeof(kind))


class Qwen:
    def __init__(self, library, path=None):
        self.lib = ctypes.CDLL(library)
        self.lib.qwen_model_free.argtypes = [c_void_p]
        self.lib.qwen_free.argtypes = [c_void_p]
        self.model = c_void_p()
        if path is None:
            self.call("qwen_model_builtin", None, byref(self.model))
        else:
            self.call("qwen_model_load", path.encode(), None, byref(self.model))

    def call(self, name, *arguments):
        """Calls a function whose last parameter is the error."""
        error = Error()
        if getattr(self.lib, name)(*arguments, byref(error)) != 0:
            raise RuntimeError(error.message.decode())

    def tokenize(self, text):
        data = text.encode()
        tokens, count = POINTER(c_int32)(), c_size_t()
        self.call("qwen_tokenize", self.model, data, c_size_t(len(data)), c_int32(0), byref(tokens), byref(count))
        try:
            return tokens[:count.value]
        finally:
            self.lib.qwen_free(tokens)

    def classify(self, task, text):
        """(label, probability)"""
        classifier, found, label = c_void_p(), sized(Classification), sized(Label)
        self.call("qwen_classifier_create", self.model, None, task.encode(), None, byref(classifier))
        try:
            data = text.encode()
            self.call("qwen_classify", classifier, data, c_size_t(len(data)), byref(found), None)
            self.call("qwen_classifier_get_label", classifier, c_size_t(found.label), byref(label))
            return label.text.decode(), found.probability
        finally:
            self.lib.qwen_classifier_free(classifier)

    def chat(self, text, on_text):
        """Answers one message; on_text gets the reply piece by piece."""
        sampling, options, say, chat = sized(Sampling), sized(ChatOptions), sized(SayOptions), c_void_p()
        self.call("qwen_sampling_init", byref(sampling), self.model)
        sampling.temperature = 0
        options.sampling = ctypes.pointer(sampling)
        self.call("qwen_chat_create", self.model, None, None, byref(options), byref(chat))
        try:
            say.on_text = OnText(lambda user, piece, length: on_text(piece[:length].decode()) or 0)
            data = text.encode()
            self.call("qwen_chat_say", chat, data, c_size_t(len(data)), byref(say), None)
        finally:
            self.lib.qwen_chat_free(chat)

    def close(self):
        self.lib.qwen_model_free(self.model)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    qwen = Qwen(*sys.argv[1:])
    print("tokens", *qwen.tokenize("你好"))
    print("%s %.2f" % qwen.classify("sentiment", "今天的实验终于成功了，太棒了！"))
    qwen.chat("你好", lambda piece: print(piece, end="", flush=True))
    print()
    qwen.close()


if __name__ == "__main__":
    main()
