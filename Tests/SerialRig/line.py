"""One end of a pseudo-terminal, served by a thread; the other end is the device of a driver."""

import os
import select
import threading
import time
import tty


class Line:
    """`tick` is called at least every 10 ms and for everything that arrives; `link` is the device's path."""

    def __init__(self, folder, name):
        self.link = str(folder / name)
        self.lock = threading.RLock()
        self.running = True
        self.fds = None
        self.plug()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def plug(self):
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        with self.lock:
            self.fds = (master, slave)
            os.symlink(os.ttyname(slave), self.link + ".new")
            os.replace(self.link + ".new", self.link)

    def unplug(self):
        with self.lock:
            os.unlink(self.link)
            for fd in self.fds:
                os.close(fd)
            self.fds = None

    def run(self):
        while self.running:
            with self.lock:
                data = b""
                if self.fds:
                    ready, _, _ = select.select([self.fds[0]], [], [], 0)
                    if ready:
                        try:
                            data = os.read(self.fds[0], 4096)
                        except OSError:
                            data = b""
                    self.tick(data)
            if not data:
                time.sleep(0.005)

    def write(self, data):
        with self.lock:
            if self.fds:
                try:
                    os.write(self.fds[0], data)
                except BlockingIOError:
                    pass

    def stop(self):
        self.running = False
        self.thread.join(5)
        if self.fds:
            self.unplug()
