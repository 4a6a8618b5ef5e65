// The playground of rooms.
import { RoomPlayground } from './room.js';

const root = document.getElementById('room');
if (root !== null) new RoomPlayground(root).start();
