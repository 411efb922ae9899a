using System.Buffers.Binary;
using System.Text;

namespace Moe.HuggingFace.Tests.Safetensors;

/// <summary>Broken files by the hundred thousand: each is refused, or read as another reader that shares no code reads it.</summary>
public sealed class MutationTests
{
    private static readonly byte[][] Valid =
    [
        SmallFile.Of("{}", 0),
        SmallFile.Of("""{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]}}""", 26),
        SmallFile.Of("""{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"y":{"dtype":"F16","shape":[0,7],"data_offsets":[8,8]},"z":{"dtype":"BOOL","shape":[3],"data_offsets":[8,11]}}""", 11),
        SmallFile.Of("""{"n\u00e9\n":{"dtype":"F8_E4M3","shape":[2,1,2],"data_offsets":[0,4]},"é😀":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}""", 4),
        SmallFile.Of("""{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"c":{"dtype":"F8_E5M2","shape":[2],"data_offsets":[2,4]}}""", 4),
    ];

    private static readonly byte[][] Tokens =
    [
        .. new[]
        {
            "0", "1", "9", "-", "1e1", ".5", "00", "18446744073709551616", "9223372036854775807", "4611686018427387904", "null", "true", "\"", "\\", "\\ud800", "\\u0061",
            "{", "}", "[", "]", ",", ":", " ", "\n", "[]", "{}", "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "dtype", "shape",
            "data_offsets", "__metadata__", "\"a\":", "\"b\":", "[0,0]", "[0]", ",0", "0,", ",1", "/**/", "é", "\0",
        }.Select(token => Encoding.UTF8.GetBytes(token)),
    ];

    [Fact]
    public void Two_hundred_thousand_mutants_in_memory_are_refused_or_read_as_another_reader_reads_them()
    {
        var random = new Random(20_260_714);
        int refused = 0, read = 0;
        foreach (var file in Valid)
            Check(file).Should().BeTrue("the files themselves are right");
        for (var round = 0; round < 200_000; round++)
        {
            var mutant = Mutant(random);
            _ = Check(mutant) ? read++ : refused++;
        }

        // Otherwise the mutations are too tame, or too wild to reach the later rules.
        read.Should().BeGreaterThan(10_000);
        refused.Should().BeGreaterThan(100_000);
    }

    [Fact]
    public void Two_thousand_mutants_on_the_disk_are_refused_or_give_the_same_tensors()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File();
        var random = new Random(20_260_715);
        var read = 0;
        for (var round = 0; round < 2_000; round++)
        {
            var mutant = Mutant(random);
            File.WriteAllBytes(path, mutant);
            var expected = SlowReader.Read(mutant);
            try
            {
                using var file = SafetensorsFile.Open(path);
                Assert.True(expected is not null && file.Entries.Count == expected.Count, $"round {round}");
                foreach (var name in expected.Keys)
                    CheckTensor(file, name, expected[name]);
                read++;
            }
            catch (InvalidDataException)
            {
                Assert.True(expected is null, $"round {round}");
            }
        }
        read.Should().BeGreaterThan(200);
    }

    private static void CheckTensor(SafetensorsFile file, string name, byte[] expected)
    {
        var bytes = new byte[expected.Length];
        file.Read(name, 0, bytes);
        Assert.Equal(expected, bytes);
        using var map = file.Map(name);
        Assert.Equal(expected, map.Bytes.ToArray());
        if (file.Entries[name].Type == ElementType.Bool && expected.Any(value => value > 1))
        {
            Assert.Throws<InvalidDataException>(() => file.ReadTensor(name));
            return;
        }
        using var tensor = file.ReadTensor(name);
        Assert.Equal(file.Entries[name].Shape, tensor.shape);
        Assert.Equal(expected, tensor.bytes.ToArray());
    }

    /// <summary>Whether both readers read it; false if both refuse it.</summary>
    private static bool Check(byte[] mutant)
    {
        SafetensorsHeader? header = null;
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            header = SafetensorsHeader.Parse(mutant, "mutant");
        }
        catch (InvalidDataException)
        {
        }
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        var expected = SlowReader.Read(mutant);
        if ((header is null) != (expected is null))
            throw new InvalidOperationException($"{(header is null ? "refused" : "read")}, but the other reader does not: {Convert.ToBase64String(mutant)}");
        if (allocated > (16 * mutant.Length) + 20_000)
            throw new InvalidOperationException($"{allocated} bytes of memory for a file of {mutant.Length}: {Convert.ToBase64String(mutant)}");
        if (header is null)
            return false;
        if (header.Entries.Count != expected!.Count || header.Entries.Values.Any(entry => !Slice(mutant, header, entry).SequenceEqual(expected[entry.Name])))
            throw new InvalidOperationException($"other bytes: {Convert.ToBase64String(mutant)}");
        return true;
    }

    private static ReadOnlySpan<byte> Slice(byte[] file, SafetensorsHeader header, TensorEntry entry) =>
        file.AsSpan((int)(header.DataStart + entry.Begin), (int)entry.ByteCount);

    private static byte[] Mutant(Random random)
    {
        List<byte> file = [.. Valid[random.Next(Valid.Length)]];
        var oldLength = file.Count;
        for (var change = random.Next(4) / 2; change >= 0; change--)
            Change(file, random);

        // Where bytes were put in or taken out, mostly say so in front: otherwise hardly any mutant gets past the first rule.
        if (file.Count != oldLength && file.Count >= 8 && random.Next(4) > 0)
        {
            Span<byte> prefix = stackalloc byte[8];
            file[..8].ToArray().CopyTo(prefix);
            BinaryPrimitives.WriteInt64LittleEndian(prefix, BinaryPrimitives.ReadInt64LittleEndian(prefix) + file.Count - oldLength);
            for (var place = 0; place < 8; place++)
                file[place] = prefix[place];
        }
        return [.. file];
    }

    private static void Change(List<byte> file, Random random)
    {
        var place = random.Next(file.Count + 1);
        var length = Math.Min(random.Next(1, 40), file.Count - place);
        var digits = Enumerable.Range(8, Math.Max(0, file.Count - 8)).Where(index => file[index] is >= (byte)'0' and <= (byte)'9').ToList();
        switch (random.Next(15))
        {
            case 0 when file.Count > 0:
                file[random.Next(file.Count)] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when file.Count > 0:
                file[random.Next(file.Count)] = (byte)random.Next(256);
                break;
            case 2:
                file.RemoveRange(place, file.Count - place);
                break;
            case 3:
                file.AddRange(Enumerable.Repeat((byte)random.Next(256), random.Next(1, 20)));
                break;
            case 4 or 5 when digits.Count > 0:
                file[digits[random.Next(digits.Count)]] = (byte)random.Next('0', '9' + 1);
                break;
            case 6:
                file.InsertRange(place, Tokens[random.Next(Tokens.Length)]);
                break;
            case 7:
                var token = Tokens[random.Next(Tokens.Length)];
                file.RemoveRange(place, Math.Min(token.Length, file.Count - place));
                file.InsertRange(place, token);
                break;
            case 8:
                file.RemoveRange(place, length);
                break;
            case 9:
                file.InsertRange(random.Next(file.Count + 1), file.GetRange(place, length));
                break;
            case 10:
                var other = Valid[random.Next(Valid.Length)];
                var from = random.Next(other.Length);
                file.InsertRange(place, other[from..Math.Min(other.Length, from + random.Next(1, 80))]);
                break;
            case 11 when file.Count >= 8:
                // The length in front: off by a little, or huge.
                file[random.Next(3) == 0 ? random.Next(8) : 0] += (byte)random.Next(1, 256);
                break;
            case 12 or 13 when file.Count > 16:
                // Two changes that most files survive: other numbers, and a blank before or after a token.
                file[^random.Next(1, 9)] ^= (byte)random.Next(256);
                break;
            case 14:
                var tokens = Enumerable.Range(0, file.Count).Where(index => index > 8 && ":,{}[]".Contains((char)file[index])).ToList();
                if (tokens.Count > 0)
                    file.InsertRange(tokens[random.Next(tokens.Count)], Enumerable.Repeat((byte)' ', 8));
                break;
            default:
                break;
        }
    }
}
