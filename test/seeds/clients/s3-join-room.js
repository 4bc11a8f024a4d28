ws.send(JSON.stringify({
  type: 'join_room',
  roomSlug: 'general-chat'
}));
