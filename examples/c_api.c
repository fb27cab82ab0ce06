/* The C interface: a label, then a reply that is printed as it is written. */
#include <qwen/qwen_c.h>
#include <stdio.h>

static int32_t print(void* user, const char* text, size_t length) {
  (void)user;
  return fwrite(text, 1, length, stdout) == length ? 0 : 1;
}

static int failed(const qwen_error* error) {
  fprintf(stderr, "%s: %s\n", qwen_code_name(error->code), error->message);
  return 1;
}

int main(void) {
  const char* text = "今天的实验终于成功了，太棒了！";
  qwen_error error;
  qwen_model* model = NULL;
  qwen_classifier* sentiment = NULL;
  qwen_chat* chat = NULL;
  qwen_reply* reply = NULL;
  qwen_classification found = {.struct_size = sizeof found};
  qwen_label label = {.struct_size = sizeof label};
  qwen_timings timings = {.struct_size = sizeof timings};
  qwen_say_options say = {.struct_size = sizeof say};
  say.on_text = print;
  say.use_seed = 1;

  if (qwen_model_builtin(NULL, &model, &error) ||
      qwen_classifier_create(model, NULL, "sentiment", NULL, &sentiment, &error) ||
      qwen_classify(sentiment, text, QWEN_NUL_TERMINATED, &found, NULL, &error) ||
      qwen_classifier_get_label(sentiment, (size_t)found.label, &label, &error) ||
      qwen_chat_create(model, NULL, NULL, NULL, &chat, &error))
    return failed(&error);
  printf("libqwen %s: %s %.2f\n", qwen_version(), label.text, found.probability);
  if (qwen_chat_say(chat, text, QWEN_NUL_TERMINATED, &say, &reply, &error) ||
      qwen_reply_get_timings(reply, &timings, &error))
    return failed(&error);
  printf("\n%d tokens, the first one after %.1f ms\n", (int)timings.generated_tokens,
         1000 * timings.first_token_seconds);

  qwen_reply_free(reply);
  qwen_chat_free(chat);
  qwen_classifier_free(sentiment);
  qwen_model_free(model);
  return 0;
}
