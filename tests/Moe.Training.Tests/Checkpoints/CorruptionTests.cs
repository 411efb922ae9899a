using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using static TorchSharp.torch;

namespace Moe.Training.Tests.Checkpoints;

public sealed class CorruptionTests : IDisposable
{
    private const string Start = """{"__metadata__":{"format":"moe-checkpoint-1","sha256":""" + "\"";

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Headers => new()
    {
        // Each is what follows the name and the checksum, with a checksum that is right.
        """, "state":"" """,
        """, "state":5}}""",
        """, "state":null}}""",
        """}}""",
        """, "state":""}, "a":5}""",
        """, "state":""}, "a":{}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[1]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[1],"data_offsets":[]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[1],"data_offsets":["0","4"]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""",
        """, "state":""}, "a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}""",
        """, "state":""}, "a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}}""",
        """, "state":""}, "a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}""",
        """, "state":""}, "a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}""",
        """, "state":""}, "a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""",
    };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_cut_short_or_made_longer_at_any_place_is_refused()
    {
        var whole = Whole();
        for (var length = 0; length < whole.Length; length++)
            Refused(whole[..length], $"only {length} of {whole.Length} bytes are there");
        Refused([.. whole, 0], "a byte follows");
    }

    [Fact]
    public void Every_single_flipped_bit_is_refused()
    {
        var whole = Whole();
        for (var place = 0; place < whole.Length; place++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                whole[place] ^= (byte)(1 << bit);
                Refused(whole, $"bit {bit} of byte {place} is flipped");
                whole[place] ^= (byte)(1 << bit);
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-1)]
    [InlineData(1_000_000)]
    [InlineData(int.MaxValue)]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    public void A_hostile_length_of_the_header_is_refused_before_memory_is_taken(long length)
    {
        var whole = Whole();
        BinaryPrimitives.WriteInt64LittleEndian(whole, length);
        var before = GC.GetTotalAllocatedBytes();
        Refused(whole, $"the header's length is said to be {length}");
        (GC.GetTotalAllocatedBytes() - before).Should().BeLessThan(1_000_000);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("not a checkpoint at all, but long enough to be taken for one")]
    [InlineData("""{"__metadata__":{"format":"moe-checkpoint-9"}}""")]
    public void Another_file_is_refused(string content)
    {
        Refused(Encoding.UTF8.GetBytes(content), "it is something else");
        Refused([.. BitConverter.GetBytes((long)content.Length), .. Encoding.UTF8.GetBytes(content)], "its header is something else");
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public void A_header_that_makes_no_sense_is_refused_even_with_a_right_checksum(string rest)
    {
        var header = Encoding.UTF8.GetBytes($"{Start}{new string('0', 64)}\"{rest}");
        byte[] data = [0, 0, 128, 63];
        var checksum = Convert.ToHexStringLower(SHA256.HashData([.. header, .. data]));
        Encoding.UTF8.GetBytes(checksum).CopyTo(header, Start.Length);
        Refused([.. BitConverter.GetBytes((long)header.Length), .. header, .. data], rest);
    }

    [Fact]
    public void A_header_made_by_hand_with_a_right_checksum_is_read()
    {
        // Without this, the refusals above might all be for the same wrong reason.
        var header = Encoding.UTF8.GetBytes(
            $"{Start}{new string('0', 64)}\", \"state\":\"x\"}}, \"a\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}}}");
        byte[] data = [0, 0, 128, 63];
        Encoding.UTF8.GetBytes(Convert.ToHexStringLower(SHA256.HashData([.. header, .. data]))).CopyTo(header, Start.Length);
        File.WriteAllBytes(_folder.File(), [.. BitConverter.GetBytes((long)header.Length), .. header, .. data]);
        var (text, tensors) = TensorFile.Read(_folder.File());
        using var tensor = tensors["a"];
        text.Should().Be("x");
        tensor.data<float>().ToArray().Should().Equal(1f);
    }

    private byte[] Whole()
    {
        using var first = arange(5, dtype: ScalarType.Float32);
        using var second = ones(2, 2, dtype: ScalarType.Bool);
        AtomicFile.Write(_folder.File(), stream => TensorFile.Write(stream, "some {\"text\"} + more", [("first", first), ("second", second)]));
        return File.ReadAllBytes(_folder.File());
    }

    private void Refused(byte[] bytes, string because)
    {
        File.WriteAllBytes(_folder.File(), bytes);
        try
        {
            TensorFile.Read(_folder.File());
        }
        catch (InvalidDataException exception)
        {
            // Fluent assertions on thousands of files would take longer than reading them.
            if (exception.Message.Contains(_folder.File(), StringComparison.Ordinal))
                return;
        }
        throw new InvalidOperationException($"The file was read, or refused without its name, though {because}.");
    }
}
