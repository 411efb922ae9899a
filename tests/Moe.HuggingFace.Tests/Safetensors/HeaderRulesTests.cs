using System.Buffers.Binary;
using System.Text;

namespace Moe.HuggingFace.Tests.Safetensors;

public sealed class HeaderRulesTests
{
    public static TheoryData<string, int, string> Headers => new()
    {
        // The text of the header, bytes of data, and what the message says.
        { """{"a":""", 0, "*not valid JSON*" },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},}""", 4, "*not valid JSON*" },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}/**/""", 4, "*after the end*" },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}/**/}""", 4, "*not valid JSON*" },
        { """{"a":{"dtype":"U8","shape":[04],"data_offsets":[0,4]}}""", 4, "*not valid JSON*" },
        { """[]""", 0, "*begins with the byte 91*" },
        { """ {}""", 0, "*begins with the byte 32*" },
        { """{}{}""", 0, "*after the end*" },
        { "{}\n", 0, "*after the end*" },
        { """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", 4, "*\"a\" is there twice*" },
        { """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"\u0061":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}""", 4, "*\"a\" is there twice*" },
        { """{"__metadata__":{},"__metadata__":{}}""", 0, "*__metadata__ is there twice*" },
        { """{"__metadata__":{"k":"1","k":"2"}}""", 0, "*key \"k\" twice*" },
        { """{"__metadata__":null}""", 0, "*object of strings, not null*" },
        { """{"__metadata__":{"k":1}}""", 0, "*\"k\" is 1*" },
        { """{"__metadata__":{"k":{}}}""", 0, "*object of strings*" },
        { """{"__metadata__":{"k":"\ud800"}}""", 0, "*half a surrogate pair*" },
        { """{"\udc00":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4, "*half a surrogate pair*" },
        { """{"a":[]}""", 0, "*\"a\" must be described by an object*" },
        { """{"a":"b"}""", 0, "*\"a\" must be described by an object*" },
        { """{"a":{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}}""", 4, "*unknown field \"a\"*" },
        { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "*\"b\" begins at byte 4*inside*" },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4, "*\"b\" begins at byte 0*inside*" },
        { """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}""", 4, "*\"b\" begins at byte 2*inside*" },
        { """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}""", 4, "*\"b\" begins at byte 3*no holes*" },
        { """{"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}""", 4, "*\"b\" begins at byte 1*no holes*" },
        { """{"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}""", 4, "*4 bytes of data, but its tensors end at byte 3*" },
        { """{}""", 1, "*1 bytes of data, but its tensors end at byte 0*" },
        { """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"I16","shape":[1],"data_offsets":[1,3]}}""", 3, "*\"b\" lies at byte * of the file, which is not a multiple of the 2 bytes*" },
    };

    public static TheoryData<string, string> Fields => new()
    {
        // What is said of the tensor "a", with 4 bytes of data.
        { """ "dtype":"U8","shape":[4] """, "*no data_offsets*" },
        { """ "dtype":"U8","data_offsets":[0,4] """, "*no shape*" },
        { """ "shape":[4],"data_offsets":[0,4] """, "*no dtype*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":[0,4],"order":"C" """, "*unknown field \"order\"*" },
        { """ "dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4] """, "*dtype twice*" },
        { """ "dtype":"U8","shape":[4],"shape":[4],"data_offsets":[0,4] """, "*shape twice*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":[0,4],"data_offsets":[0,4] """, "*data_offsets twice*" },
        { """ "dtype":"u8","shape":[4],"data_offsets":[0,4] """, "*dtype u8, which is none of*" },
        { """ "dtype":"C64","shape":[4],"data_offsets":[0,4] """, "*dtype C64, which is none of F64, F32, *" },
        { """ "dtype":8,"shape":[4],"data_offsets":[0,4] """, "*dtype 8, which is none of*" },
        { """ "dtype":["U8"],"shape":[4],"data_offsets":[0,4] """, "*dtype [, which is none of*" },
        { """ "dtype":"\ud800\ud800","shape":[4],"data_offsets":[0,4] """, "*" },
        { """ "dtype":"U8","shape":4,"data_offsets":[0,4] """, "*list as its shape, not 4*" },
        { """ "dtype":"U8","shape":[-4],"data_offsets":[0,4] """, "*-4 in its shape, which is not a whole number from 0*" },
        { """ "dtype":"U8","shape":[-0,4],"data_offsets":[0,4] """, "*-0 in its shape*" },
        { """ "dtype":"U8","shape":[4.0],"data_offsets":[0,4] """, "*4.0 in its shape*" },
        { """ "dtype":"U8","shape":[4e0],"data_offsets":[0,4] """, "*4e0 in its shape*" },
        { """ "dtype":"U8","shape":["4"],"data_offsets":[0,4] """, "*4 in its shape*" },
        { """ "dtype":"U8","shape":[null],"data_offsets":[0,4] """, "*null in its shape*" },
        { """ "dtype":"U8","shape":[[4]],"data_offsets":[0,4] """, "*in its shape*" },
        { """ "dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,4] """, "*9223372036854775808 in its shape*" },
        { """ "dtype":"U8","shape":[99999999999999999999999999],"data_offsets":[0,4] """, "*in its shape*" },
        { """ "dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4] """, "*does not fit into 63 bits*" },
        { """ "dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4] """, "*does not fit into 63 bits*" },
        { """ "dtype":"U8","shape":[4611686018427387904,4,0],"data_offsets":[0,0] """, "*does not fit into 63 bits*" },
        { """ "dtype":"U8","shape":[0,4611686018427387904,4],"data_offsets":[0,0] """, "*does not fit into 63 bits*" },
        { """ "dtype":"U8","shape":[1000000000000],"data_offsets":[0,4] """, "*4 bytes, but [1000000000000] of U8 takes 1000000000000*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":[0,4,4] """, "*more than 2 numbers in its data_offsets*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":[0] """, "*1 data_offsets*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":[] """, "*0 data_offsets*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":{"0":4} """, "*list as its data_offsets*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":[-4,0] """, "*-4 in its data_offsets*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":[4,0] """, "*data_offsets [4,0]; they must not run backwards*" },
        { """ "dtype":"U8","shape":[5],"data_offsets":[0,5] """, "*only 4 bytes of data*" },
        { """ "dtype":"U8","shape":[4],"data_offsets":[9223372036854775803,9223372036854775807] """, "*only 4 bytes of data*" },
        { """ "dtype":"U8","shape":[3],"data_offsets":[0,4] """, "*4 bytes, but [3] of U8 takes 3*" },
        { """ "dtype":"F32","shape":[],"data_offsets":[0,0] """, "*0 bytes, but [] of F32 takes 4*" },
    };

    [Theory]
    [MemberData(nameof(Headers))]
    public void A_header_that_breaks_a_rule_is_refused_and_the_message_says_why(string header, int dataLength, string message) =>
        Refused(SmallFile.Of(header, dataLength), message);

    [Theory]
    [MemberData(nameof(Fields))]
    public void A_tensor_that_breaks_a_rule_is_refused_by_name(string fields, string message) => Refused(SmallFile.WithFields(fields), message);

    [Theory]
    [InlineData(0UL, "*0 bytes; it must have at least 2*")]
    [InlineData(1UL, "*1 bytes; it must have at least 2*")]
    [InlineData(9UL, "*9 bytes, but only 8 follow*")]
    [InlineData(100_000_001UL, "*100000001 bytes; the limit is 100000000*")]
    [InlineData(ulong.MaxValue, "*18446744073709551615 bytes; the limit*")]
    [InlineData(long.MaxValue, "*9223372036854775807 bytes; the limit*")]
    public void A_length_that_cannot_be_is_refused(ulong length, string message)
    {
        var file = SmallFile.Of("{}", 0);
        BinaryPrimitives.WriteUInt64LittleEndian(file, length);
        Refused(file, message);
    }

    [Fact]
    public void A_pointer_of_Git_LFS_is_not_taken_for_a_header_that_is_too_long() =>
        Refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"u8.ToArray(), "*is a pointer of Git LFS*git lfs pull*");

    [Fact]
    public void A_file_of_less_than_eight_bytes_is_refused()
    {
        for (var length = 0; length < 8; length++)
            Refused(new byte[length], $"*has {length} bytes*");
    }

    [Fact]
    public void Bytes_that_are_no_UTF8_are_refused_wherever_they_are()
    {
        var header = Encoding.UTF8.GetBytes("""{"__metadata__":{"key":"text"}}  """);
        foreach (var place in new[] { 0, 3, 18, 25, header.Length - 1 })
        {
            byte[] broken = [.. header];
            broken[place] = 0xFF;
            Refused(SmallFile.Raw(broken, 0), "*not valid UTF-8*");
        }
        Refused(SmallFile.Raw([0xEF, 0xBB, 0xBF, .. header], 0), "*begins with the byte 239*");
    }

    [Fact]
    public void Too_many_dimensions_are_refused_and_64_are_not()
    {
        static string Fields(int rank) => $"\"dtype\":\"U8\",\"shape\":[4{string.Concat(Enumerable.Repeat(",1", rank - 1))}],\"data_offsets\":[0,4]";
        Refused(SmallFile.WithFields(Fields(65)), "*more than 64 numbers in its shape*");
        SafetensorsHeader.Parse(SmallFile.WithFields(Fields(64)), "file").Entries["a"].Shape.Should().HaveCount(64);
    }

    [Fact]
    public void What_the_format_allows_is_taken()
    {
        var header = SafetensorsHeader.Parse(SmallFile.Of(
            """{ "z\n\"\u00e9😀" : {"data_offsets":[0, 4],"shape":[],"dtype":"F32"}, "":{"dtype":"\u0055\u0038","shape":[2,0],"data_offsets":[4,4]},"e":{"dtype":"I64","shape":[0],"data_offsets":[0,0]}, "__metadata__":{"b":"","a":"\u0000é"} }   """, 4), "file");
        header.Metadata.Should().Equal(new Dictionary<string, string> { ["b"] = "", ["a"] = "\0é" });
        header.Entries.Keys.Should().Equal("e", "z\n\"é😀", "");
        header.Entries[""].Should().BeEquivalentTo(new TensorEntry("", ElementType.UInt8, [2, 0], 4, 4));
        header.Entries["e"].ElementCount.Should().Be(0);
    }

    [Fact]
    public void No_metadata_is_not_the_same_as_none_in_it()
    {
        SafetensorsHeader.Parse(SmallFile.Of("{}", 0), "file").Metadata.Should().BeNull();
        SafetensorsHeader.Parse(SmallFile.Of("""{"__metadata__":{}}""", 0), "file").Metadata.Should().BeEmpty();
    }

    public static TheoryData<string> Expensive => new()
    {
        // Headers that make many objects of few bytes, or promise much.
        $"{{{string.Join(',', Enumerable.Range(0, 5_000).Select(number => $"\"{number}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}"))}}}",
        $"{{{string.Join(',', Enumerable.Range(0, 500).Select(number => $"\"{number}\":{{\"dtype\":\"U8\",\"shape\":[0{string.Concat(Enumerable.Repeat(",0", 63))}],\"data_offsets\":[0,0]}}"))}}}",
        $"{{\"__metadata__\":{{{string.Join(',', Enumerable.Range(0, 20_000).Select(number => $"\"{number}\":\"\""))}}}}}",
        $"{{\"__metadata__\":{{\"k\":\"{string.Concat(Enumerable.Repeat("\\u00e9", 20_000))}\"}}}}",
        $"{{\"{new string('n', 100_000)}\":{{\"dtype\":\"{new string('F', 100_000)}\"}}}}",
        $"{{\"a\":{new string('[', 100_000)}}}",
        $"{{\"a\":{{\"shape\":[{string.Concat(Enumerable.Repeat("0,", 50_000))}0]}}}}",
        $"{{\"a\":{{\"shape\":[{new string('9', 100_000)}]}}}}",
        "{" + new string(' ', 100_000) + "}",
        """{"a":{"dtype":"F64","shape":[1000000000,1000000],"data_offsets":[0,8000000000000000]}}""",
    };

    [Theory]
    [MemberData(nameof(Expensive))]
    public void Memory_stays_within_a_few_times_the_header_whatever_it_says(string header)
    {
        var file = SmallFile.Of(header, 0);
        Parse(file);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Parse(file);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan((16L * file.Length) + 20_000);

        static void Parse(byte[] file)
        {
            try
            {
                SafetensorsHeader.Parse(file, "file");
            }
            catch (InvalidDataException)
            {
            }
        }
    }

    [Fact]
    public void Long_names_are_cut_short_in_messages()
    {
        var parse = () => SafetensorsHeader.Parse(SmallFile.Of($$"""{"{{new string('n', 10_000)}}":5}""", 0), "file");
        parse.Should().Throw<InvalidDataException>().Which.Message.Length.Should().BeLessThan(200);
    }

    private static void Refused(byte[] file, string message)
    {
        var parse = () => SafetensorsHeader.Parse(file, "some/file");
        parse.Should().Throw<InvalidDataException>().WithMessage(message).WithMessage("some/file*");
        SlowReader.Read(file).Should().BeNull("the other reader knows the same rules");
    }
}
