// Server method
const stats = socketService.getStats();
