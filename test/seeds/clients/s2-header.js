const ws = new WebSocket('ws://localhost:8000/ws/user123', [], {
    headers: {
        'Authorization': 'Bearer your_jwt_token_here'
    }
});
