#!/usr/bin/env python3
"""Changes the kernel's gpio-sim for the rig: patch_gpio_sim.py gpio-sim.c

1. Parameter `keep_released` (Y at load, 0/1 in /sys/module/gpio_simulator/parameters at any time): an output keeps its level
   when its holder lets go of it or dies, as PL061 and Raspberry Pi chips do. Upstream drops it to its pull at once, so
   that every test of a fail-safe would pass on it, with any software.
2. The attribute `value` can be waited for with poll(POLLPRI): a contactor model needs no busy loop.

Upstream's functions stay as they are; the chip gets wrappers. An anchor that is missing is an error: another kernel.
"""
import re
import sys

WRAPPERS = r"""
static bool keep_released = true;
module_param(keep_released, bool, 0644);
MODULE_PARM_DESC(keep_released, "outputs keep their level when they are released");

static void rig_tell(struct gpio_chip *gc, unsigned int offset)
{
	char group[24];

	snprintf(group, sizeof(group), "sim_gpio%u", offset);
	sysfs_notify(&gc->gpiodev->dev.kobj, group, "value");
}

static void rig_set(struct gpio_chip *gc, unsigned int offset, int value)
{
	gpio_sim_set(gc, offset, value);
	rig_tell(gc, offset);
}

static void rig_set_multiple(struct gpio_chip *gc, unsigned long *mask, unsigned long *bits)
{
	unsigned int offset;

	gpio_sim_set_multiple(gc, mask, bits);
	for_each_set_bit(offset, mask, gc->ngpio)
		rig_tell(gc, offset);
}

static int rig_direction_output(struct gpio_chip *gc, unsigned int offset, int value)
{
	int ret = gpio_sim_direction_output(gc, offset, value);

	rig_tell(gc, offset);
	return ret;
}

static int rig_direction_input(struct gpio_chip *gc, unsigned int offset)
{
	int ret = gpio_sim_direction_input(gc, offset);

	/* No longer driven: only its pull holds the line now. */
	gpio_sim_free(gc, offset);
	rig_tell(gc, offset);
	return ret;
}

static void rig_free(struct gpio_chip *gc, unsigned int offset)
{
	if (keep_released)
		return;
	gpio_sim_free(gc, offset);
	rig_tell(gc, offset);
}

"""

CALLBACKS = {"set": "void", "set_multiple": "void", "direction_output": "int", "direction_input": "int", "free": "void"}


def patched(source):
    anchor = "static int gpio_sim_add_bank("
    if source.count(anchor) != 1:
        sys.exit(f"patch_gpio_sim: expected '{anchor}' once, found it {source.count(anchor)} times: is this gpio-sim?")
    for name, result in CALLBACKS.items():
        if not re.search(rf"^static {result} gpio_sim_{name}\(", source, re.MULTILINE):
            sys.exit(f"patch_gpio_sim: expected a function 'static {result} gpio_sim_{name}(': a kernel not known here")
        source, count = re.subn(rf"gc->{name} = gpio_sim_{name};", f"gc->{name} = rig_{name};", source)
        if count != 1:
            sys.exit(f"patch_gpio_sim: expected 'gc->{name} = gpio_sim_{name};' once, found it {count} times")
    return source.replace(anchor, WRAPPERS + anchor)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: patch_gpio_sim.py gpio-sim.c")
    with open(sys.argv[1], encoding="utf-8") as file:
        text = patched(file.read())
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(text)
