"""The wires of one topology: each joins a TAP device in one namespace with one in another and carries frames between
them after a delay. It stands in for `tc netem` on kernels that lack it.

Its only argument is a JSON list of wires: {"ends": [[namespace, device], [namespace, device]], "delay": seconds,
"jitter": seconds, "loss": 0..1, "bandwidth": bits per second or null, "buffer": seconds that may queue up at that
bandwidth}. It prints "ready" once every device exists, and ends when its standard input does: a wire must not outlive
the lab that laid it.
"""

import ctypes
import fcntl
import gc
import heapq
import json
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
CLONE_NEWNET = 0x40000000
FRAME = 65536
FRAMES_A_TURN = 64  # so that one busy wire can't keep the due frames of another waiting
SPIN_SECONDS = 0.0003  # a sleeping process wakes up late by about this much, so the rest of a wait is spent awake


def enter(namespace_fd):
    if ctypes.CDLL(None, use_errno=True).setns(namespace_fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def open_tap(namespace, device):
    """A TAP device belongs to the namespace that its file was opened in, and goes when the file is closed."""
    with open("/run/netns/" + namespace) as target:
        enter(target.fileno())
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
    return tap


class Direction:
    """One way along a wire."""

    def __init__(self, wire, target):
        self.target = target
        self.delay = wire["delay"]
        self.jitter = wire["jitter"]
        self.loss = wire["loss"]
        self.bandwidth = wire["bandwidth"]
        self.buffer = wire["buffer"]
        self.free_at = 0.0

    def due(self, now, size):
        """When a frame that came now leaves at the other end; None when it is lost."""
        if self.loss and random.random() < self.loss:
            return None
        sent = now
        if self.bandwidth:
            start = max(now, self.free_at)
            if start - now > self.buffer:
                return None
            sent = self.free_at = start + size * 8 / self.bandwidth
        return sent + self.delay + (random.uniform(-self.jitter, self.jitter) if self.jitter else 0)


def main():
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    directions = {}
    for wire in json.loads(sys.argv[1]):
        one, other = (open_tap(namespace, device) for namespace, device in wire["ends"])
        directions[one] = Direction(wire, other)
        directions[other] = Direction(wire, one)
    enter(home)

    try:  # a cable doesn't wait for the programs that talk over it
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:
        pass
    gc.disable()
    print("ready", flush=True)

    under_way = []  # a heap of (due, order, target, frame); the order keeps frames due at once in sequence
    order = 0
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic() - SPIN_SECONDS) if under_way else None
        readable, _, _ = select.select([0, *directions], [], [], wait)
        if 0 in readable and not os.read(0, 4096):
            return
        for tap in readable:
            if tap == 0:
                continue
            direction = directions[tap]
            for _ in range(FRAMES_A_TURN):
                try:
                    frame = os.read(tap, FRAME)
                except BlockingIOError:
                    break
                due = direction.due(time.monotonic(), len(frame))
                if due is not None:
                    order += 1
                    heapq.heappush(under_way, (due, order, direction.target, frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, target, frame = heapq.heappop(under_way)
            try:
                os.write(target, frame)
            except OSError:
                pass  # the device is not up yet, or its queue is full: the frame is lost, as on any wire


main()
