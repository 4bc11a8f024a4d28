// Send authentication message
ws.send(JSON.stringify({
  type: 'auth',
  token: 'your-jwt-access-token'
}));
