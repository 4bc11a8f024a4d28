// Server code
socketService.broadcastToFollowers(userId, 'user_post_created', {
  postId: 789,
  content: 'Just posted something new!'
});
