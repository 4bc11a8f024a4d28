const ws = new WebSocket('ws://localhost:8000/ws/user123?token=your_jwt_token_here');
