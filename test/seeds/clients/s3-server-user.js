// Server code
socketService.sendToUser(userId, 'notification', {
  title: 'New follower',
  message: 'Alice started following you'
});
