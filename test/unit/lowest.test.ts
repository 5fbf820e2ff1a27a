import { testRooms } from "./rooms.ts";

testRooms("chip", "kit", "wire");
