/** Devices that go by what was measured on their adapters. */
import { type DeviceName, type DevicePlatform, type DeviceWishes, openDevice } from "../engine/devices.ts";
import type { Platform } from "../platform/index.ts";

/** Opens a device as `openDevice` does, which goes by what `tune` measured on its adapter where that was kept. */
export const openTuned = (
  name: DeviceName,
  platform: DevicePlatform & Pick<Platform, "tuningOf">,
  wishes: DeviceWishes = {},
) => openDevice(name, platform, { ...wishes, tuningOf: platform.tuningOf });
