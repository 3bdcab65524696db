// SPDX-License-Identifier: MIT
import java.io.FileInputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32;

/** Reads a file through a map while SIGSEGV is busy with null pointers. */
class Mapped {
	static String nothing;

	static int dereference() {
		try {
			return nothing.length();
		} catch (NullPointerException e) {
			return 1;
		}
	}

	static long crc(ByteBuffer buffer) {
		CRC32 crc = new CRC32();
		crc.update(buffer);
		return crc.getValue();
	}

	public static void main(String[] args) throws Exception {
		Path path = Path.of(args[0]);
		long size = Files.size(path);
		int caught = 0;

		try (FileChannel file = FileChannel.open(path,
				StandardOpenOption.READ)) {
			MappedByteBuffer map = file.map(
				FileChannel.MapMode.READ_ONLY, 0, size);
			long sum = 0;

			for (int i = 0; i < size; i++) {
				sum = sum * 31 + map.get(i);
				if (i % 100 == 0)
					caught += dereference();
			}
			System.out.println(sum + " " + caught);
			MappedByteBuffer copy = file.map(
				FileChannel.MapMode.PRIVATE, 4096, 100000);
			copy.put(5, (byte) 42);
			System.out.println(crc(copy) + " " + crc(map));
			ByteBuffer direct = ByteBuffer.allocateDirect(70000);
			System.out.println(file.read(direct, 12345));
			direct.flip();
			System.out.println(crc(direct));
			Path out = Path.of(System.getenv("OUT"), "copy");
			try (FileChannel to = FileChannel.open(out,
					StandardOpenOption.CREATE,
					StandardOpenOption.WRITE)) {
				System.out.println(file.transferTo(0, size,
					to));
				System.out.println(to.write(file.map(
					FileChannel.MapMode.READ_ONLY, 0,
					size)));
			}
			System.out.println(Files.size(out));
		}
		try (FileInputStream in = new FileInputStream(args[0])) {
			System.out.println(in.readAllBytes().length);
		}
		try (RandomAccessFile file = new RandomAccessFile(args[0],
				"r")) {
			file.seek(100000);
			System.out.println(file.readLine());
		}
		System.out.println(Files.readAllBytes(path).length + " " +
			Files.isWritable(path) + " " +
			Files.isRegularFile(path));
	}
}
