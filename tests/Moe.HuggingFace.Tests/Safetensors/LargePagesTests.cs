using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

public sealed class LargePagesTests
{
    [Fact]
    public void A_system_that_has_large_pages_is_asked_for_them_unless_they_are_switched_off()
    {
        if (!Directory.Exists("/sys/kernel/mm/transparent_hugepage"))
            return;
        using var first = empty([40 << 20], dtype: ScalarType.Byte, device: CPU);
        using var second = empty([40 << 20], dtype: ScalarType.Byte, device: CPU);
        AppContext.SetSwitch(LargePages.Switch, false);
        try
        {
            LargePages.Request(first);
        }
        finally
        {
            AppContext.SetSwitch(LargePages.Switch, true);
        }

        LargePages.Request(second);

        Flags(first).Should().NotBeEmpty().And.NotContain("hg");
        Flags(second).Should().Contain("hg", "that is how the system notes the request down");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5000)]
    [InlineData((4 << 20) + 1)]
    [InlineData((16 << 20) - 7)]
    public void Tensors_of_any_size_keep_their_numbers(long size)
    {
        using var scope = NewDisposeScope();
        var tensor = ones(size, dtype: ScalarType.Byte);

        LargePages.Request(tensor);

        tensor.sum().item<long>().Should().Be(size);
    }

    /// <summary>What the system notes down about the memory in the middle of a tensor.</summary>
    private static unsafe string[] Flags(Tensor tensor)
    {
        var middle = (ulong)HostMemory.Start<byte>(tensor) + ((ulong)tensor.numel() / 2);
        var isInside = false;
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            var ends = line.Split(' ')[0].Split('-');
            if (ends.Length == 2 && Hexadecimal(ends[0]) is { } first && Hexadecimal(ends[1]) is { } last)
                isInside = first <= middle && middle < last;
            else if (isInside && line.StartsWith("VmFlags:", StringComparison.Ordinal))
                return line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        }
        return [];
    }

    private static ulong? Hexadecimal(string text) => ulong.TryParse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var number) ? number : null;
}
