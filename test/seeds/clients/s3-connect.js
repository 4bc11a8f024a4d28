// Client-side connection
const ws = new WebSocket('ws://localhost:5000');

ws.onopen = () => {
  console.log('WebSocket connected');
  // Must authenticate immediately after connection
};
