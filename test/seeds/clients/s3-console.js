// 1. Connect
const ws = new WebSocket('ws://localhost:5000');

// 2. Authenticate
ws.onopen = () => {
  ws.send(JSON.stringify({
    type: 'auth',
    token: 'your-jwt-token'
  }));
};

// 3. Join room
ws.send(JSON.stringify({
  type: 'join_room',
  roomSlug: 'test-room'
}));

// 4. Send message
ws.send(JSON.stringify({
  type: 'chat_message',
  roomSlug: 'test-room',
  message: 'Hello world!'
}));

// 5. Listen for responses
ws.onmessage = (e) => console.log('Received:', JSON.parse(e.data));
