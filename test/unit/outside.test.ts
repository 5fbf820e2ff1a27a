import { testRooms } from "./rooms.ts";

testRooms("bus", "host");
