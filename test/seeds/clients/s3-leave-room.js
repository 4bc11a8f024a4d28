ws.send(JSON.stringify({
  type: 'leave_room',
  roomSlug: 'general-chat'
}));
