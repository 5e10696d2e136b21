#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A serial line of 8 data bits, no parity, one stop bit, raw.
enum SerialPort {
  /// Opens it for this process alone and throws away what has arrived; the descriptor does not block.
  static func open(_ device: String, baud: Int) -> Result<Int32, DeviceFailure> {
    guard let speed = speed(baud) else { return .failure(DeviceFailure(text: "\(device): no baud rate \(baud)")) }
    let descriptor = Glibc.open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return .failure(failure(device)) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      return .failure(DeviceFailure(text: "\(device): in use by another process"))
    }
    var settings = termios()
    guard tcgetattr(descriptor, &settings) == 0 else {
      defer { close(descriptor) }
      return .failure(failure(device))
    }
    cfmakeraw(&settings)
    settings.c_cflag |= tcflag_t(CLOCAL | CREAD)
    settings.c_cflag &= ~tcflag_t(CSTOPB | PARENB)
    cfsetispeed(&settings, speed)
    cfsetospeed(&settings, speed)
    guard tcsetattr(descriptor, TCSANOW, &settings) == 0 else {
      defer { close(descriptor) }
      return .failure(failure(device))
    }
    tcflush(descriptor, TCIOFLUSH)
    return .success(descriptor)
  }

  private static func failure(_ device: String) -> DeviceFailure {
    DeviceFailure(text: "\(device): \(DeviceText.error(errno))")
  }

  private static func speed(_ baud: Int) -> speed_t? {
    switch baud {
    case 1200: speed_t(B1200)
    case 2400: speed_t(B2400)
    case 4800: speed_t(B4800)
    case 9600: speed_t(B9600)
    case 19_200: speed_t(B19200)
    case 38_400: speed_t(B38400)
    case 57_600: speed_t(B57600)
    case 115_200: speed_t(B115200)
    default: nil
    }
  }
}
