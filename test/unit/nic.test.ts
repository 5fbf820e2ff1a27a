import { testRooms } from "./rooms.ts";

testRooms("driver", "model");
