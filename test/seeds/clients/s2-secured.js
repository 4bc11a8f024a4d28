const token = getJWTToken(); // Get token from your auth system
const ws = new WebSocket(`ws://localhost:8000/ws/user123?token=${token}`);
