// What the page has in memory. The store keeps the conversations; the server keeps nothing.
export const state = {
  info: null,             // of /api/info; null until the server has answered
  conversations: [],      // all records
  firstTexts: new Map(),  // conversation id -> its first message, for titles
  current: null,          // the record shown
  messages: [],           // of the conversation shown
  path: [],               // of these, the branch shown
};

// Replies under way: conversation id -> {controller, conversation, message, question}
export const running = new Map();
export const busyHere = () => state.current !== null && running.has(state.current.id);

// The record that a reply under way writes to, if this message is one.
export function live(message) {
  for (const { message: answer, question } of running.values()) {
    if (answer.id === message.id) return answer;
    if (question.id === message.id) return question;
  }
  return message;
}

export const isKnown = (conversation) => state.conversations.some(({ id }) => id === conversation.id);

// Requests that will be tried again: message id -> {timer, view}
export const retries = new Map();

export function cancelRetry(message) {
  const retry = retries.get(message.id);
  if (!retry) return;
  clearInterval(retry.timer);
  retries.delete(message.id);
  retry.view.retryIn = null;
}
