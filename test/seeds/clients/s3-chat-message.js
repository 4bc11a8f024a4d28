ws.send(JSON.stringify({
  type: 'chat_message',
  roomSlug: 'general-chat',
  message: 'Hello everyone!',
  messageId: 'msg_1729238400_123' // Optional, for tracking
}));
