using CsCheck;

namespace Moe.Build.Native;

public class ElfVersionsTests
{
    [Fact]
    public void Weaken_changes_the_flags_of_the_version_and_nothing_else()
    {
        var library = new ElfLibrary();
        var bytes = library.ToBytes();
        var expected = bytes.ToArray();
        expected[library.FlagsOffset] = 2;

        Weaken(bytes).Should().Be(1);

        bytes.Should().Equal(expected);
    }

    [Fact]
    public void Weaken_of_a_weakened_library_changes_nothing()
    {
        var bytes = new ElfLibrary().ToBytes();
        Weaken(bytes);
        var once = bytes.ToArray();

        Weaken(bytes).Should().Be(0);

        bytes.Should().Equal(once);
    }

    [Fact]
    public void Library_that_does_not_ask_for_the_version_is_left_as_it_is()
    {
        var library = new ElfLibrary();
        library.Needs.RemoveAt(1);
        var bytes = library.ToBytes();
        var before = bytes.ToArray();

        Weaken(bytes).Should().Be(0);

        bytes.Should().Equal(before);
    }

    [Fact]
    public void Version_that_another_symbol_needs_is_refused()
    {
        var library = new ElfLibrary();
        library.Symbols.Add(("_ZNSt6format", 3));

        Refusal(library.ToBytes()).Should()
            .Be("the symbol _ZNSt6format is bound to GLIBCXX_3.4.32 and would not be found.");
    }

    [Fact]
    public void Hidden_flag_of_a_symbol_version_does_not_hide_it()
    {
        var library = new ElfLibrary();
        library.Symbols.Add(("_ZNSt6format", 0x8003));

        Refusal(library.ToBytes()).Should().Contain("_ZNSt6format");
    }

    [Fact]
    public void Symbol_that_a_relocation_uses_is_refused()
    {
        var library = new ElfLibrary();
        library.Relocations.Add(2);

        Refusal(library.ToBytes()).Should().Be($"a relocation uses the symbol {ElfLibrary.Symbol}, which would not be found.");
    }

    [Theory]
    [InlineData(0, "it is not an ELF file.")]
    [InlineData(4, "it is not an ELF file of 64 bits, little endian.")]
    [InlineData(5, "it is not an ELF file of 64 bits, little endian.")]
    public void Other_kinds_of_file_are_refused(int changed, string reason)
    {
        var bytes = new ElfLibrary().ToBytes();
        bytes[changed]++;

        Refusal(bytes).Should().Be(reason);
    }

    [Fact]
    public void Empty_file_is_refused() => Refusal([]).Should().Be("it is not an ELF file.");

    [Fact]
    public void Library_without_section_headers_is_refused()
    {
        var bytes = new ElfLibrary().ToBytes();
        bytes[60] = 0;

        Refusal(bytes).Should().Be("it has no section headers.");
    }

    [Fact]
    public void Library_without_version_needs_is_refused() =>
        Refusal(new ElfLibrary { WithNeeds = false }.ToBytes()).Should()
            .Be("it has no section of version needs (SHT_GNU_verneed).");

    [Fact]
    public void Library_without_versions_of_symbols_is_refused() =>
        Refusal(new ElfLibrary { WithVersionsOfSymbols = false }.ToBytes()).Should()
            .Be("it has no dynamic symbols with versions (.dynsym and .gnu.version).");

    [Fact]
    public void Chain_that_ends_before_its_count_is_refused()
    {
        var library = new ElfLibrary();
        var bytes = library.ToBytes();
        bytes[library.FlagsOffset + 8] = 0;

        Refusal(bytes).Should().Be("a chain of version needs ends too early.");
    }

    [Fact]
    public void Section_that_refers_to_none_is_refused()
    {
        var bytes = new ElfLibrary().ToBytes();
        var lastHeader = bytes.Length - 64;
        bytes[lastHeader + 40] = 77;

        Refusal(bytes).Should().Be("a section refers to section 77 of 6.");
    }

    [Fact]
    public void Truncated_library_is_refused_wherever_it_ends()
    {
        var bytes = new ElfLibrary().ToBytes();

        for (var length = 6; length < bytes.Length; length++)
            Refusal(bytes[..length]).Should().Contain("truncated", "{0} of {1} bytes are there", length, bytes.Length);
    }

    [Fact]
    public void Any_damage_is_refused_or_harmless_but_never_crashes()
    {
        var sound = new ElfLibrary().ToBytes();

        Gen.Select(Gen.Int[6, sound.Length - 1], Gen.Byte).Sample((position, value) =>
        {
            var bytes = sound.ToArray();
            bytes[position] = value;
            try
            {
                ElfVersions.Weaken(bytes, ElfLibrary.Version, ElfLibrary.Symbol);
            }
            catch (InvalidDataException)
            {
                // The damage was seen.
            }
        });
    }

    private static int Weaken(byte[] bytes) => ElfVersions.Weaken(bytes, ElfLibrary.Version, ElfLibrary.Symbol);

    private static string Refusal(byte[] bytes)
    {
        var before = bytes.ToArray();
        var refusal = FluentActions.Invoking(() => Weaken(bytes)).Should().Throw<InvalidDataException>().Which.Message;
        bytes.Should().Equal(before, "a refused library is not touched");
        return refusal;
    }
}
